"""What pyproject.toml cannot say: the version is Cargo's, and the start files lie beside the loader."""

import pathlib
import tomllib

from setuptools import setup
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).parent
START_FILES = HERE / "builder" / "src" / "install"


class BuildWithStartFiles(build_ext):
    """`cds_loader.pth` and `cds_loader.start` work only at the root of site-packages, where the extension goes."""

    def run(self):
        super().run()
        if self.inplace:
            return
        for name in ("cds_loader.pth", "cds_loader.start"):
            self.mkpath(self.build_lib)
            self.copy_file(str(START_FILES / name), str(pathlib.Path(self.build_lib) / name))


with open(HERE / "Cargo.toml", "rb") as file:
    version = tomllib.load(file)["workspace"]["package"]["version"]

setup(version=version, cmdclass={"build_ext": BuildWithStartFiles})
