"""What pyproject.toml cannot say: the version is Cargo's, and the start file lies beside the loader."""

import pathlib
import tomllib

from setuptools import setup
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).parent
START_FILE = HERE / "builder" / "src" / "install" / "cds_loader.pth"


class BuildWithStartFile(build_ext):
    """`cds_loader.pth` works only at the root of site-packages, where the extension goes."""

    def run(self):
        super().run()
        if self.inplace:
            return
        self.mkpath(self.build_lib)
        self.copy_file(str(START_FILE), str(pathlib.Path(self.build_lib) / START_FILE.name))


with open(HERE / "Cargo.toml", "rb") as file:
    version = tomllib.load(file)["workspace"]["package"]["version"]

setup(version=version, cmdclass={"build_ext": BuildWithStartFile})
