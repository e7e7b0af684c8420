//! What is imported and which commands are run.

/// Something to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Its name in the report.
    pub name: &'static str,
    /// What a program imports that uses it. `import django` alone would import next to nothing.
    pub modules: &'static [&'static str],
}

/// The program that does nothing.
pub const PASS: Work = Work { name: "pass", modules: &[] };

/// Everything that is imported, in the order of the report.
pub const WORKS: [Work; 12] = [
    PASS,
    Work { name: "json", modules: &["json"] },
    Work { name: "requests", modules: &["requests"] },
    Work { name: "boto3", modules: &["boto3"] },
    Work { name: "sympy", modules: &["sympy"] },
    Work { name: "django", modules: &["django.core.management", "django.db.models"] },
    Work { name: "flask", modules: &["flask"] },
    Work { name: "sqlalchemy", modules: &["sqlalchemy", "sqlalchemy.orm"] },
    Work { name: "rich", modules: &["rich.console", "rich.table"] },
    Work { name: "typer", modules: &["typer"] },
    Work { name: "httpie", modules: &["httpie.core"] },
    Work { name: "pip", modules: &["pip._internal.cli.main", "pip._internal.commands.install"] },
];

impl Work {
    /// As it would be typed.
    pub fn program(&self) -> String {
        match self.modules {
            [] => "pass".to_owned(),
            modules => format!("import {}", modules.join(", ")),
        }
    }
}

/// Those with these names.
pub fn among(all: &[Work], names: &[&str]) -> Vec<Work> {
    all.iter().filter(|work| names.contains(&work.name)).copied().collect()
}

/// Why nothing is measured that is of these names only; `None` if there is one of them.
pub fn none_among(all: &[Work], names: &[&str]) -> Option<String> {
    among(all, names).is_empty().then(|| format!("it is of {} only", names.join(", ")))
}

/// A command that a person types.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its name in the report.
    pub name: &'static str,
    /// The script in the environment's `bin`.
    pub script: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// What it imports: the zip file has these.
    pub modules: &'static [&'static str],
    /// The package that it belongs to, as `--package` names it.
    pub package: &'static str,
}

/// All commands, in the order of the report. A Django project of its own lies in the working directory.
pub const COMMANDS: [Command; 4] = [
    Command {
        name: "http --version",
        script: "http",
        arguments: &["--version"],
        modules: &["httpie.core"],
        package: "httpie",
    },
    Command {
        name: "pip --version",
        script: "pip",
        arguments: &["--version"],
        modules: &["pip._internal.cli.main"],
        package: "pip",
    },
    Command {
        name: "flask --version",
        script: "flask",
        arguments: &["--version"],
        modules: &["flask.cli"],
        package: "flask",
    },
    Command {
        name: "django-admin check",
        script: "django-admin",
        arguments: &["check", "--pythonpath", ".", "--settings", "benchsite.settings"],
        modules: &["django.core.management"],
        package: "django",
    },
];
