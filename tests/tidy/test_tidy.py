"""What holds for every file of the source: size, names, documentation, codes, dependencies, and nothing of the place it was made."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter

from tests.tidy import errors
from tests.tidy.source import FOLDERS, ROOT, Definition, Module, modules, tracked

FILE_LINES = 450
FUNCTION_LINES = 60
BANNED_WORDS = {"Manager", "Helper", "Helpers", "Util", "Utils", "Service", "Impl", "Base", "Common", "Misc", "Wrapper", "Processor"}
BANNED_WORDS |= {word.lower() for word in BANNED_WORDS}  # in functions and modules too
# import name -> distribution, where they differ; the last two are part of the interface of what carries them
DISTRIBUTIONS = {"nacl": "pynacl", "pydantic_core": "pydantic", "securesystemslib": "tuf"}

# Built at run time, so that this file does not name them either.
PLACES = ["/wo" + "rk/", "/tm" + "p/venv", "/o" + "pt/wheels", "/o" + "pt/pypi", "/root" + "/."]
HOSTS = ["py" + "pi.org", "pythonhosted" + ".org", "npmjs" + ".org", "registry." + "npm", "proxy.golang" + ".org", "deb.debian" + ".org"]


def test_files_are_short() -> None:
    long = {str(m.path.relative_to(ROOT)): n for m in modules() if (n := m.text.count("\n")) > FILE_LINES}
    assert not long


def test_functions_fit_a_screen() -> None:
    long = [f"{m.where(d)} {name} {_length(d)}" for m, name, d in _functions() if _length(d) > FUNCTION_LINES]
    assert not long


def test_every_module_says_in_one_sentence_what_it_is() -> None:
    bad = [m.name for m in modules() if not _is_sentence((ast.get_docstring(m.tree) or "").partition("\n\n")[0])]
    assert not bad


def test_everything_public_is_documented() -> None:
    bad = [f"{m.where(d)} {name}" for m in modules() for name, d in m.definitions() if _public(m, name, d) and not ast.get_docstring(d)]
    assert not bad


def test_every_function_is_annotated() -> None:
    bad = [f"{m.where(d)} {name}" for m, name, d in _functions() if not _annotated(d)]
    assert not bad


def test_names_say_what_a_thing_is() -> None:
    bad = [f"{m.where(d)} {name}" for m in modules() for name, d in m.definitions() if _words(d.name) & BANNED_WORDS]
    bad += [m.name for m in modules() if _words(m.path.stem) & BANNED_WORDS]
    assert not bad


def test_imports_hide_nowhere() -> None:
    bad = [m.name for m in modules() if "TYPE_" + "CHECKING" in m.text]
    assert not bad


def test_every_module_is_used() -> None:
    """By another module, as a command, or as a program of its own."""
    used = {name for m in modules() for name, _ in m.imports()}
    used |= {name.rpartition(".")[0] for name in used}
    commands = next((m.text for m in modules() if m.name == "node.cli.boundary"), "")
    dead = [m.name for m in modules() if m.name not in used and f'"{m.name}:' not in commands and not _starts_by_itself(m)]
    assert not dead


def test_codes_are_unique_words_joined_by_hyphens() -> None:
    declared = [code.code for found in errors.by_module().values() for code in found.values()]
    assert declared, "no codes were found: the test looks in the wrong place"
    assert not [code for code, times in Counter(declared).items() if times > 1]
    assert not [code for code in declared if not re.fullmatch(r"[A-Z0-9]+(-[A-Z0-9]+)*", code)]


def test_constants_of_codes_are_named_after_them() -> None:
    declared = [pair for found in errors.by_module().values() for pair in found.items()]
    assert not [name for name, code in declared if name.replace("_", "-") != code.code]


def test_sentences_of_codes_end_without_a_full_stop() -> None:
    declared = [code for found in errors.by_module().values() for code in found.values()]
    assert not [code.code for code in declared if code.says.endswith(".") or code.todo.endswith(".") or not code.says or not code.todo]


def test_every_code_is_raised() -> None:
    used = {node.attr for m in modules() for node in ast.walk(m.tree) if isinstance(node, ast.Attribute)}
    used |= {name.rpartition(".")[2] for m in modules() for name, _ in m.imports()}
    dead = [f"{module}.{name}" for module, found in errors.by_module().items() for name in found if name not in used]
    assert not dead


def test_the_page_of_errors_is_current() -> None:
    assert (ROOT / "docs/errors.md").read_text(encoding="utf-8") == errors.page(), "run: make errors"


def test_dependencies_are_those_that_are_imported() -> None:
    declared = {re.match(r"[a-z0-9-]+", line)[0] for line in _pyproject()["project"]["dependencies"]}  # type: ignore[index]
    own = {*FOLDERS, "rogatory", *sys.stdlib_module_names}
    tops = {name.partition(".")[0] for m in modules() for name, _ in m.imports()} - own
    imported = {DISTRIBUTIONS.get(top, top) for top in tops}
    assert imported - declared == set(), "imported but not declared"
    assert declared - imported == {"tzdata"}, "declared but not imported"  # zoneinfo reads it by itself


def test_lock_files_hold_hashes_and_no_address() -> None:
    for name in ("requirements.txt", "requirements-build.txt", "requirements-dev.txt"):
        entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        assert entries, name
        bad = [line[:60] for line in entries if not re.fullmatch(r"[a-z0-9.-]+==[^ ]+( ; [^-]+?)?( +--hash=sha256:[0-9a-f]{64})+", line)]
        assert not bad, name


def test_lock_files_agree() -> None:
    dev = _versions("requirements-dev.txt")
    for name in ("requirements.txt", "requirements-build.txt"):
        assert _versions(name).items() <= dev.items(), name


def test_nothing_names_the_place_where_it_was_made() -> None:
    bad = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")
        bad += [f"{path.relative_to(ROOT)}: {word}" for word in PLACES + HOSTS if word in text]
    assert not bad


def _pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _versions(name: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / name).read_text(encoding="utf-8")))


def _functions() -> list[tuple[Module, str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [(m, name, d) for m in modules() for name, d in m.definitions() if not isinstance(d, ast.ClassDef)]


def _length(d: Definition) -> int:
    return d.end_lineno - d.lineno + 1


def _is_sentence(text: str) -> bool:
    return bool(text) and text[-1] in ".:)" and not re.search(r"[a-z]\. [A-Z][a-z]+ [a-z]+ [a-z]+ .*\. [A-Z]", text)


def _public(module: Module, name: str, d: Definition) -> bool:
    """Reachable by its name: not private, not inside a function, not an overload or an interface's magic."""
    parts = name.split(".")
    if any(part.startswith("_") for part in parts) or any(part.startswith("_") for part in module.name.split(".")):
        return False
    outer = {n for n, found in module.definitions() if not isinstance(found, ast.ClassDef)}
    return not any(".".join(parts[:i]) in outer for i in range(1, len(parts)))


def _annotated(d: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = [*d.args.posonlyargs, *d.args.args, *d.args.kwonlyargs]
    named = [a for a in arguments if a.arg not in ("self", "cls")]
    return d.returns is not None and all(a.annotation is not None for a in named)


def _words(name: str) -> set[str]:
    """``_PartFiles`` and ``part_files`` both give Part/part and Files/files."""
    return {word for piece in name.replace("base64", "").split("_") for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", piece)}


def _starts_by_itself(module: Module) -> bool:
    return module.path.name in ("__init__.py", "__main__.py") or 'if __name__ == "__main__"' in module.text
