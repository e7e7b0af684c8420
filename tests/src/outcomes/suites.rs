//! The catalogue: which tests there are, what they need and how they are run.

/// What runs the tests of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// `test.libregrtest`, by `fixtures/outcomes/cpython_tests.py`; a target is a module of the `test` package.
    Regrtest,
    /// pytest, by `fixtures/outcomes/pytest_tests.py`; a target is a package, or a folder of a source distribution.
    Pytest,
}

/// Somebody's tests.
#[derive(Debug)]
pub struct Suite {
    /// Its name on the command line and in the table; `tests/outcomes/NAME.txt` has the requirements.
    pub name: &'static str,
    /// What runs it.
    pub runner: Runner,
    /// The source distribution that the package and its tests are taken from, where the package has no tests in it.
    pub sdist: Option<&'static str>,
    /// Arguments for pytest.
    pub arguments: &'static [&'static str],
    /// What is run, each in a process of its own.
    pub targets: &'static [&'static str],
    /// Functions whose code must come from the image. Regrtest's own test functions are looked at without being named.
    pub served: &'static [&'static str],
}

/// All suites.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "cpython",
        runner: Runner::Regrtest,
        sdist: None,
        arguments: &[],
        targets: &[
            "test_code",
            "test_codeop",
            "test_marshal",
            "test_dis",
            "test_import",
            "test_importlib",
            "test_runpy",
            "test_pkgutil",
            "test_zipimport",
            "test_inspect",
            "test_sys",
            "test_sys_settrace",
            "test_monitoring",
            "test_traceback",
            "test_functools",
            "test_dataclasses",
            "test_enum",
            "test_typing",
            "test_re",
            "test_json",
            "test_fork1",
            "test_gc",
            "test_weakref",
            "test_pickle",
            "test_threading",
            "test_asyncio",
            "test_site",
            "test_frame",
            "test_funcattrs",
            "test_opcache",
            "test_peepholer",
            "test_compile",
            "test_module",
            "test_linecache",
            "test_modulefinder",
            "test_pyclbr",
            "test_tracemalloc",
            "test_profile",
            "test_cprofile",
            "test_bdb",
            "test_descr",
            "test_generators",
            "test_coroutines",
            "test_contextlib",
            "test_collections",
            "test_string",
            "test_unittest",
            "test_copy",
            "test_reprlib",
            "test_pydoc",
        ],
        served: &[],
    },
    Suite {
        name: "sympy",
        runner: Runner::Pytest,
        sdist: None,
        arguments: &["--hypothesis-seed=0", "--pyargs"],
        targets: &[
            "sympy.core",
            "sympy.sets",
            "sympy.logic",
            "sympy.printing",
            "sympy.calculus",
            "sympy.parsing",
            "sympy.tensor",
        ],
        served: &["sympy.core.basic.Basic.subs", "sympy.simplify.simplify.simplify", "mpmath.libmp.libmpf.mpf_add"],
    },
    Suite {
        name: "numpy",
        runner: Runner::Pytest,
        sdist: None,
        arguments: &["-m", "not slow", "--hypothesis-seed=0", "--pyargs"],
        targets: &[
            "numpy._core",
            "numpy.lib",
            "numpy.linalg",
            "numpy.ma",
            "numpy.fft",
            "numpy.polynomial",
            "numpy.matrixlib",
            "numpy.testing",
        ],
        served: &["numpy.lib._function_base_impl._ureduce", "numpy.ma.core.getmask", "numpy.linalg._linalg._makearray"],
    },
    Suite {
        name: "click",
        runner: Runner::Pytest,
        sdist: Some("click==8.5.1"),
        arguments: &[],
        targets: &["tests"],
        served: &["click.core.Context.invoke", "click.testing.CliRunner.invoke"],
    },
    Suite {
        name: "flask",
        runner: Runner::Pytest,
        sdist: Some("flask==3.1.3"),
        arguments: &[],
        targets: &["tests"],
        served: &["flask.app.Flask.wsgi_app", "jinja2.environment.Environment.parse", "werkzeug.routing.map.Map.bind"],
    },
    Suite {
        name: "requests",
        runner: Runner::Pytest,
        sdist: Some("requests==2.34.2"),
        arguments: &[],
        targets: &["tests"],
        served: &["requests.sessions.Session.request", "urllib3.connectionpool.HTTPConnectionPool.urlopen"],
    },
];

/// The suite with this name.
pub fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}
