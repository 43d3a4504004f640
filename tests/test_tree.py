"""What the source tree promises: small files, plain names, and one door to the disk."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "holdfast"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST = 300
DUMPING_GROUNDS = {"utils", "util", "helpers", "helper", "common", "misc"}
EFFECTS = {  # calls that change what is on the disk
    *("os.replace", "os.rename", "os.renames", "os.fsync", "os.fdatasync", "os.remove"),
    *("os.unlink", "os.rmdir", "os.mkdir", "os.makedirs", "os.truncate", "os.link", "os.symlink"),
    *("shutil.rmtree", "shutil.move", "shutil.copy", "shutil.copy2", "shutil.copyfile"),
}
PATH_EFFECTS = {  # the same as methods of a path
    *("rename", "unlink", "write_text", "write_bytes", "mkdir", "rmdir", "touch"),
    *("symlink_to", "hardlink_to"),
}
GOES_ON = {PACKAGE / "pipeline" / "job.py"}  # records the failure, and tells it at the end


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call in a file with its dotted name, as far as it has one."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def is_effect(name: str, call: ast.Call) -> bool:
    """Tell whether a call changes the disk, as far as its looks go."""
    method = name.rpartition(".")[2]
    if name in EFFECTS or (method in PATH_EFFECTS and name != method):
        return True
    if method == "replace" and name != method:  # str.replace takes two
        return len(call.args) == 1 and not call.keywords
    return method == "open" and name != "os.open" and is_writing(name, call)


def is_writing(name: str, call: ast.Call) -> bool:
    modes = call.args[1:2] if name == "open" else call.args[:1]
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    return any(isinstance(text, str) and set(text) & set("wax+") for text in texts)


@pytest.mark.parametrize(
    ("code", "effect"),
    [
        *(("os.replace(a, b)", True), ("path.replace(b)", True), ("text.replace('a', 'b')", False)),
        *(("path.open('wb')", True), ("path.open('rb')", False), ("path.open()", False)),
        *(("open(p, 'a')", True), ("open(p)", False), ("open(p, mode='r+b')", True)),
        *(("path.with_name('x').unlink()", True), ("a.b.write_text('')", True)),
        *(("replace(config, x=1)", False), ("shard.open()", False), ("holdfast.open(p)", False)),
    ],
)
def test_effects_are_recognised(code: str, effect: bool) -> None:
    """The rules below see what they are meant to see."""
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert is_effect(ast.unparse(call.func), call) is effect


def test_files_are_short() -> None:
    """No file of the package has more than it takes to read it in one go."""
    lengths = {short(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert len(lengths) > 50
    assert {path: count for path, count in lengths.items() if count >= LONGEST} == {}


def test_names_say_what_is_inside() -> None:
    """Nothing is put into a drawer for everything."""
    names = {part for path in SOURCES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert names & DUMPING_GROUNDS == set()


def test_one_door_to_the_disk() -> None:
    """Every write, rename, removal and sync of the package is in storage/disk.py, and watched."""
    door = PACKAGE / "storage" / "disk.py"
    found = [
        f"{short(path)}:{call.lineno} {name}"
        for path in SOURCES
        if path != door
        for name, call in calls(path)
        if is_effect(name, call) and not name.startswith("disk.")  # through the door
    ]
    assert found == []
    assert {"os.fsync", "source.replace", "path.unlink"} <= {name for name, _ in calls(door)}


def test_nothing_saves_with_torch() -> None:
    """torch.save would write without a sync where nobody watches, and make the training wait."""
    saves = {short(path) for path in SOURCES for name, _ in calls(path) if name == "torch.save"}
    assert saves == set()


def broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {None if kind is None else ast.unparse(kind) for kind in kinds}
    return bool(names & {None, "Exception", "BaseException"})


def goes_on(handler: ast.ExceptHandler) -> bool:
    return not isinstance(handler.body[-1], ast.Raise)


def test_no_broad_except_goes_on() -> None:
    """What nobody expected is never swallowed, except where the series records it and goes on."""
    found = {
        path
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and broad(node) and goes_on(node)
    }
    assert found == GOES_ON


def public(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield what others can call: public functions and classes, and what those classes have."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if child.name.startswith("_"):
                continue
            yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from public(child)


def test_everything_public_is_documented() -> None:
    """Each module, public class and public function says what it is for."""
    silent = [short(path) for path in SOURCES if ast.get_docstring(tree(path)) is None]
    assert silent == []
    surface = PACKAGE / "backbones"  # each family has the surface that backbone.py documents
    found = [
        f"{short(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        if surface not in path.parents
        for node in public(tree(path))
        if ast.get_docstring(node) is None
    ]
    assert found == []


def test_every_test_states_the_behaviour_it_protects() -> None:
    """A test without a docstring cannot be told from an accident."""
    found = [
        f"{short(path)}:{node.lineno} {node.name}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert found == []
