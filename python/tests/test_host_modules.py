# SPDX-License-Identifier: MIT
"""The modules of a plugin: their names, what they import, and old and new versions side by side."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import logging
import pickle
import sys
import threading
import traceback
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND
from hosting import PACKAGE, Gates, Hosting, in_thread, plugin_modules, replace
from qtforge.monitoring import SafeOptions


@pytest.fixture(params=["thread", "manual"])
def hosting(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hosting]:
    with Hosting(tmp_path, dispatch=request.param) as h:
        yield h


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Gates:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    return gates


def package(tmp_path: Path, **modules: str) -> Path:
    directory = tmp_path / "pack"
    directory.mkdir(exist_ok=True)
    for name, text in modules.items():
        replace(directory / f"{name}.py", text)
    return directory / "__init__.py"


def files(*names: str) -> SafeOptions:
    return SafeOptions(files=[f"{name}.py" for name in names])


def test_a_name_stays_and_stands_for_the_present_version(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "greet.py"
    source = "import logging\nVERSION = {}\nlog = logging.getLogger(__name__)\nclass State: pass\n"
    path.write_text(source.format(1))
    plugin = hosting.open(path, "greeter")
    name = f"{PACKAGE}.greeter.greet"
    for version in (1, 2, 3):
        if version > 1:
            assert hosting.reload(path, source.format(version)).ok
        module = plugin.module
        assert (module.__name__, module.State.__module__, module.VERSION) == (name, name, version)
        assert module.log is logging.getLogger(name)
        assert importlib.import_module(name) is sys.modules[name] is module
        imported: dict[str, Any] = {}
        exec(f"from {name} import VERSION, State\nimport {name} as whole", imported)
        assert (imported["VERSION"], imported["State"], imported["whole"]) == (version, module.State, module)
    plugin.close()
    assert plugin_modules() == []
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)


def test_what_is_pickled_is_the_present_versions_when_it_is_unpickled(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    source = "import dataclasses\n@dataclasses.dataclass\nclass State:\n    count: int\ndef version(): return {}\n"
    path.write_text(source.format(1))
    plugin = hosting.open(path)
    data = pickle.dumps((plugin.module.State(5), plugin.module.version))
    assert pickle.loads(data) == (plugin.module.State(5), plugin.module.version)
    assert hosting.reload(path, source.format(2)).ok
    state, version = pickle.loads(data)
    assert isinstance(state, plugin.module.State) and state.count == 5 and version() == 2


def test_a_module_can_be_reloaded_by_hand(hosting: Hosting, tmp_path: Path) -> None:
    pack = package(tmp_path, __init__="from . import part\nCOUNT = []", part="VALUE = 1")
    plugin = hosting.open(pack, safe=files("part"))
    for module in (plugin.module, plugin.module.part):
        vars(module)["left_by_hand"] = True
        assert importlib.reload(module) is module
        assert "left_by_hand" in vars(module)
    assert plugin.module.part is sys.modules[plugin.module.__name__ + ".part"]


PACK = {
    "__init__": "VERSION = {0}\nfrom . import part\nfrom .deep import VALUE as DEEP\n"
    "def lazy():\n    from . import late\n    from pack.late import VALUE\n    import pack.late\n"
    "    assert pack.late is late and VALUE == late.VALUE\n    return late.VALUE\n",
    "part": "from . import deep\nimport pack\nVALUE = {0}\ndef up(): return pack.VERSION\n",
    "deep": "from . import part\nVALUE = {0}\n",
    "late": "import dataclasses\nfrom .part import VALUE\n@dataclasses.dataclass\nclass Late:\n    x: 'int' = VALUE\n",
}


def pack_of(version: int) -> dict[str, str]:
    return {name: text.format(version) for name, text in PACK.items()}


def test_modules_of_a_package_import_each_other_in_each_version(hosting: Hosting, tmp_path: Path) -> None:
    pack = package(tmp_path, **pack_of(1))
    plugin = hosting.open(pack, safe=files("part", "deep", "late"))
    with plugin.use() as old:
        for version in (2, 3, 4):
            # Its files change one after another: delivered once all have.
            hosting.host.manager.set_global_hot_reload_enabled(False)
            package(tmp_path, **pack_of(version))
            hosting.host.manager.set_global_hot_reload_enabled(True)
            assert hosting.next().ok
            new = plugin.module
            assert (new.VERSION, new.part.VALUE, new.DEEP, new.part.up(), new.lazy()) == (version,) * 5
            assert new.part is sys.modules[f"{PACKAGE}.p.pack.part"] is not old.part
            if version == 3:  # lazily, while another version is present
                assert (old.VERSION, old.part.up(), old.lazy(), old.late.Late().x) == (1, 1, 1, 1)
                assert sys.modules[f"{PACKAGE}.p.pack.late"] is new.late is not old.late
    assert [n for n in plugin_modules() if "late" in n] == [f"{PACKAGE}.p.pack.late"]


def test_a_helper_beside_a_plugin_is_of_its_version_every_time(hosting: Hosting, tmp_path: Path) -> None:
    path, helper = tmp_path / "plug.py", tmp_path / "helper.py"
    path.write_text(
        "import helper\nfrom helper import V\nfrom . import helper as same\nassert same is helper\n"
        "def lazy():\n    import late_helper, helper\n"
        "    return late_helper.V, helper.V, __import__('late_helper').V\n"
    )
    helper.write_text("V = 1\nclass State: pass")
    (tmp_path / "late_helper.py").write_text("from helper import V")
    before = (dict(sys.path_importer_cache), list(sys.path), set(sys.modules))
    plugin = hosting.open(path, safe=files("helper", "late_helper"))
    with plugin.use() as old:
        for version in (2, 3):
            assert hosting.reload(helper, f"V = {version}\nclass State: pass").ok
            assert (version, version) == (plugin.module.V, plugin.module.helper.V)
            if version == 3:
                assert plugin.module.lazy() == (3, 3, 3)
            state = plugin.module.helper.State()
            assert type(pickle.loads(pickle.dumps(state))) is type(state)
        assert old.lazy() == (1, 1, 1)
    assert "helper" not in sys.modules
    plugin.close()
    assert before == (dict(sys.path_importer_cache), list(sys.path), set(sys.modules))


def test_a_helper_hides_no_other_ones(hosting: Hosting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "helper_of_the_host.py").write_text("V = 'of the host'")
    monkeypatch.syspath_prepend(elsewhere)
    import helper_of_the_host  # type: ignore[import-not-found] # pyright: ignore[reportMissingImports]

    plugins = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "plug.py").write_text("import helper_of_the_host as helper\nimport json\n")
        (directory / "helper_of_the_host.py").write_text(f"V = {name!r}")
        (directory / "data").mkdir()
        (directory / "json").mkdir()  # a directory hides no module of the standard library
        (directory / "json" / "x.py").touch()
        options = SafeOptions(files=["helper_of_the_host.py", "json/x.py"])
        plugins.append(hosting.open(directory / "plug.py", name, safe=options))
    assert [p.module.helper.V for p in plugins] == ["one", "two"]
    assert helper_of_the_host.V == "of the host" and sys.modules["helper_of_the_host"] is helper_of_the_host
    assert all(hasattr(p.module.json, "dumps") for p in plugins)
    sys.modules.pop("helper_of_the_host")


def test_a_plugin_called_like_what_it_wraps_imports_that(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "json.py"
    path.write_text("import json\nimport helper\nANSWER = json.dumps([helper.V])")
    (tmp_path / "helper.py").write_text("V = 1")
    assert hosting.open(path, safe=files("helper")).module.ANSWER == "[1]"


def test_a_package_imports_what_was_named_beside_it(hosting: Hosting, tmp_path: Path) -> None:
    pack = package(tmp_path, __init__="import shared\nfrom tools.text import twice\nfrom .part import VALUE",
                   part="from shared import VALUE")  # fmt: skip
    (tmp_path / "shared.py").write_text("VALUE = 1")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "text.py").write_text("def twice(x): return 2 * x")
    options = SafeOptions(files=["part.py", "../shared.py", "../tools/text.py"])
    plugin = hosting.open(pack, safe=options)
    assert (plugin.module.VALUE, plugin.module.twice(4)) == (1, 8)
    assert hosting.reload(tmp_path / "shared.py", "VALUE = 2").ok
    assert plugin.module.VALUE == 2


def test_the_same_id_and_file_in_two_hosts_do_not_collide(tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text("class State: pass\nVERSION = 1")
    with Hosting(tmp_path) as one, Hosting(tmp_path) as two:
        first, second = one.open(path), two.open(path)
        assert (first.module.__name__, second.module.__name__) == (f"{PACKAGE}.p.plug", f"{PACKAGE}.p_2.plug")
        replace(path, "class State: pass\nVERSION = 2")
        assert one.next().ok and two.next().ok
        for plugin in (first, second):
            assert importlib.import_module(plugin.module.__name__) is plugin.module
            state = plugin.module.State()
            assert type(pickle.loads(pickle.dumps(state))) is type(state)
        first.close()
        assert second.module.VERSION == 2 and sys.modules[second.module.__name__] is second.module
    assert plugin_modules() == []


@pytest.mark.parametrize("plugin_id", ["a.b", "a b", "1", "class", "__path__", "ü", "a/b.py", "x" * 200])
def test_any_id_makes_a_name(hosting: Hosting, tmp_path: Path, plugin_id: str) -> None:
    path = tmp_path / "my-plug.v2.py"
    path.write_text("class State: pass")
    plugin = hosting.open(path, plugin_id)
    assert importlib.import_module(plugin.module.__name__) is plugin.module
    assert plugin.module.__name__.count(".") == PACKAGE.count(".") + 2
    assert isinstance(pickle.loads(pickle.dumps(plugin.module.State())), plugin.module.State)


INSPECTED = '''"""Doc."""
from __future__ import annotations
import dataclasses, enum, sys, typing
THIS = sys.modules[__name__]
THIS.by_itself = {version}
class Colour(enum.Enum):
    RED = {version}
@dataclasses.dataclass(kw_only=True)
class Point:
    x: Colour
    y: typing.ClassVar[int] = 1
class Pair(typing.NamedTuple):
    a: Point
def raising():
    raise ValueError({version})  # line of {version}
'''


def test_what_looks_modules_up_by_name_finds_this_version(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text(INSPECTED.format(version=1))
    plugin = hosting.open(path)
    for version in (1, 2):
        if version == 2:
            assert hosting.reload(path, INSPECTED.format(version=2)).ok
        module = plugin.module
        assert module.by_itself == module.THIS.by_itself == version
        assert typing.get_type_hints(module.Point) == {"x": module.Colour, "y": typing.ClassVar[int]}
        assert typing.get_type_hints(module.Pair) == {"a": module.Point}
        assert [f.name for f in dataclasses.fields(module.Point)] == ["x"]
        assert module.Point.__init__.__globals__ is vars(module)
        assert "class Colour" in inspect.getsource(module.Colour)
        assert f"# line of {version}" in inspect.getsource(module.raising)
        assert inspect.getmodule(module.raising) is module
        with pytest.raises(ValueError) as caught:
            module.raising()
        assert f"# line of {version}" in "".join(traceback.format_exception(caught.value))


def test_other_threads_find_the_present_version_while_another_is_loaded(tmp_path: Path, gates: Gates) -> None:
    source = (
        "import sys, dataclasses\nVERSION = {0}\n@dataclasses.dataclass\nclass State:\n    x: 'int' = VERSION\n"
        "me = sys.modules[__name__]\nfrom . import part\n{1}\n"
    )
    pack = package(tmp_path, __init__=source.format(1, ""), part="VALUE = 1")
    with Hosting(tmp_path) as hosting:
        plugin = hosting.open(pack, safe=files("part"))
        old, name = plugin.module, plugin.module.__name__
        data = pickle.dumps(old.State())

        def found() -> list[Any]:
            return [type(pickle.loads(data)), importlib.import_module(name).VERSION, sys.modules[name].VERSION]

        for outcome in (False, True):
            replace(pack, source.format(2, "import sys; sys.gates.wait()" + ("" if outcome else "; 1 / 0")))
            assert gates.entered.wait(BOUND)
            assert found() == [old.State, 1, 1]
            gates.leave.set()
            assert hosting.next().ok == outcome
            if not outcome:
                assert found() == [old.State, 1, 1] and importlib.import_module(name) is old
            gates.entered.clear()
            gates.leave.clear()
        assert found() == [plugin.module.State, 2, 2] and importlib.import_module(name) is plugin.module
        assert plugin.module.me.VERSION == 2 and in_thread(lambda: plugin.module.me.VERSION) == 2


def test_a_plugin_that_imports_its_modules_by_name_gets_its_own(hosting: Hosting, tmp_path: Path) -> None:
    source = (
        "import importlib, pkgutil\nVALUES = [importlib.import_module(f'{__name__}.{m.name}').VALUE\n"
        "          for m in pkgutil.iter_modules(__path__)]\n"
        "BY_DOT = importlib.import_module('.part', __package__).VALUE\n"
        "try:\n    importlib.import_module('.other', __package__)\nexcept ModuleNotFoundError:\n    pass\n"
    )
    pack = package(tmp_path, __init__=source, part="VALUE = 1")
    plugin = hosting.open(pack, safe=files("part"))
    assert (plugin.module.VALUES, plugin.module.BY_DOT) == ([1], 1)
    assert hosting.reload(tmp_path / "pack" / "part.py", "VALUE = 2").ok
    assert (plugin.module.VALUES, plugin.module.BY_DOT) == ([2], 2)
    assert sys.modules[f"{PACKAGE}.p.pack.part"].VALUE == 2
    plugin.close()
    assert plugin_modules() == []
    assert [path for path in sys.path_importer_cache if path.startswith(str(tmp_path))] == []


def test_a_module_may_put_something_else_into_its_place(hosting: Hosting, tmp_path: Path) -> None:
    source = "import sys\nclass Facade: VERSION = {}\nsys.modules[__name__] = Facade()"
    path = tmp_path / "plug.py"
    path.write_text(source.format(1))
    plugin = hosting.open(path)
    assert hosting.reload(path, source.format(2)).ok
    assert plugin.module.VERSION == 2 and type(plugin.module).__name__ == "Facade"
    assert importlib.import_module(f"{PACKAGE}.p.plug") is plugin.module


def test_threads_that_import_lazily_at_once_get_one_module(hosting: Hosting, tmp_path: Path) -> None:
    count = 8
    pack = package(
        tmp_path,
        __init__="def lazy():\n    from . import one\n    return one\n"
        "def other():\n    from . import two\n    return two.one\n",
        one="import sys\nsys.executed.append(1)\nfrom . import two\n",
        two="from . import one\n",
    )
    executed: list[int] = []
    sys.executed = executed  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    plugin = hosting.open(pack, safe=files("one", "two"))
    with plugin.use() as old:
        assert hosting.reload(pack, pack.read_text() + "# 2").ok
        barrier, found = threading.Barrier(count), []

        def ask(function: Any) -> None:
            barrier.wait(BOUND)
            found.append(function())

        for module in (old, plugin.module):
            threads = [threading.Thread(target=ask, args=(f,)) for f in [module.lazy, module.other] * (count // 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(BOUND)
            assert len(found) == count and len(set(map(id, found))) == 1
            found.clear()
    assert executed == [1, 1]


def test_threads_of_an_import_import_too(hosting: Hosting, tmp_path: Path) -> None:
    source = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def lazy():\n    from .part import VALUE\n    return VALUE\n"
        "with ThreadPoolExecutor(2) as pool:\n    waiting = [pool.submit(lazy) for _ in range(4)]\n"
        "VALUES = [future.result(10) for future in waiting]\n"
    )
    pack = package(tmp_path, __init__=source, part="VALUE = 1")
    plugin = hosting.open(pack, safe=files("part"))
    assert hosting.reload(tmp_path / "pack" / "part.py", "VALUE = 2").ok
    assert plugin.module.VALUES == [2] * 4


def test_pybind11_types_that_are_registered_already_are_explained(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text("")
    hosting.open(path)
    outcome = hosting.reload(path, "raise ImportError('generic_type: type \"Fill\" is already registered!')")
    assert not outcome.ok and "module_local" in outcome.message and "new process" in outcome.message


def test_a_traceback_shows_the_lines_of_a_version_that_was_released(hosting: Hosting, tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text("def f():\n    raise ValueError('old')  # of the old one\n")
    plugin = hosting.open(path)
    with pytest.raises(ValueError) as caught, plugin.use() as old:
        assert hosting.reload(path, "def f(): return 2").ok
        assert hosting.reload(path, "def f(): return 3").ok
        old.f()
    hosting.until("its files are removed", lambda: not Path(old.__file__ or "").exists())
    assert "# of the old one" in "".join(traceback.format_exception(caught.value))
