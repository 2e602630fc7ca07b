from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.sites import write
from torchgraft.consumer.environment import (
    Environment,
    base_of,
    holds_torch,
    is_environment,
    is_kept_by_uv,
    is_throw_away,
    parse_pyvenv_cfg,
    prefix_of_interpreter,
    python_path_of,
    python_versions,
    read_environment,
)
from torchgraft.consumer.processes import Process
from torchgraft.model.observation import Python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders are named as on POSIX")


def python(version: str = "3.11.7", abi: str = "cp311") -> Python:
    return Python(version=version, implementation="cpython", abi=abi, platform="linux_x86_64", extension_suffix=".so")


def front_end(*arguments: str, folder: str = "", **variables: str) -> Process:
    return Process(
        executable="x",
        arguments=arguments or ("uv", "sync"),
        folder=folder,
        variables=tuple(sorted(variables.items())),
    )


def site(prefix: Path, version: str = "3.11", library: str = "lib", name: str = "site-packages") -> Path:
    folder = prefix / library / f"python{version}" / name
    folder.mkdir(parents=True)
    return folder


def venv(prefix: Path, cfg: str = "home = /base/bin\nversion = 3.11.2\n") -> Path:
    prefix.mkdir(parents=True, exist_ok=True)
    (prefix / "pyvenv.cfg").write_text(cfg)
    return prefix


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def paths(environment: Environment) -> list[Path]:
    return [Path(path) for path in environment.search_path]


def test_a_venv(tmp_path: Path, home: Path) -> None:
    site(home / ".local")
    own = site(venv(tmp_path / "env"))
    environment = read_environment(str(tmp_path / "env"), python=python())
    assert environment.exists
    assert environment.python_versions == ("3.11",)
    assert paths(environment) == [own]


def test_nothing_is_there(tmp_path: Path) -> None:
    environment = read_environment(str(tmp_path / "gone"), python=python())
    assert environment == Environment(exists=False, python_versions=(), search_path=())
    assert not read_environment("bad\0name", python=python()).exists


def test_lib64_is_searched_unless_it_is_a_link_to_lib(tmp_path: Path) -> None:
    own = site(venv(tmp_path / "a"))
    (tmp_path / "a" / "lib64").symlink_to("lib")
    assert paths(read_environment(str(tmp_path / "a"), python=python())) == [own]
    folders = [site(venv(tmp_path / "b")), site(tmp_path / "b", library="lib64")]
    assert paths(read_environment(str(tmp_path / "b"), python=python())) == folders


def test_the_builds_version_is_wanted_where_there_are_several(tmp_path: Path) -> None:
    folders = {version: site(tmp_path / "env", version) for version in ("3.9", "3.10", "3.11", "3.13", "3.13t")}
    environment = read_environment(str(tmp_path / "env"), python=python())
    assert environment.python_versions == ("3.9", "3.10", "3.11", "3.13")
    assert paths(environment) == [folders["3.11"]]
    free_threaded = read_environment(str(tmp_path / "env"), python=python("3.13.1", "cp313t"))
    assert paths(free_threaded) == [folders["3.13t"], folders["3.13"]]
    usual = read_environment(str(tmp_path / "env"), python=python("3.13.1", "cp313"))
    assert paths(usual) == [folders["3.13"], folders["3.13t"]]


def test_another_version_is_looked_at_too_so_that_it_can_be_named(tmp_path: Path) -> None:
    folder = site(venv(tmp_path / "env", "version_info = 3.12.1.final.0\n"), "3.12")
    environment = read_environment(str(tmp_path / "env"), python=python())
    assert (environment.python_versions, paths(environment)) == (("3.12",), [folder])


def test_debians_python(tmp_path: Path) -> None:
    usr = tmp_path / "usr"
    (usr / "lib" / "python3.11").mkdir(parents=True)
    (usr / "lib" / "python3.11" / "os.py").touch()
    local = site(usr / "local", name="dist-packages")
    shared = usr / "lib" / "python3" / "dist-packages"
    shared.mkdir(parents=True)
    (usr / "bin").mkdir()
    (usr / "bin" / "python3").touch()
    environment = read_environment(str(usr), python=python())
    assert (environment.exists, environment.python_versions) == (True, ("3.11",))
    assert paths(environment) == [local, shared]


def test_windows_folders(tmp_path: Path) -> None:
    folder = tmp_path / "env" / "Lib" / "site-packages"
    folder.mkdir(parents=True)
    (tmp_path / "env" / "python.exe").touch()
    environment = read_environment(str(tmp_path / "env"), python=python())
    assert environment.exists
    assert paths(environment) == [folder]


def test_targets_come_first(tmp_path: Path) -> None:
    own = site(venv(tmp_path / "env"))
    target = tmp_path / "target"
    target.mkdir()
    (target / "x.pth").write_text(str(tmp_path))
    prefix = site(tmp_path / "prefix")
    targets = (str(target), str(tmp_path / "prefix"), str(tmp_path / "not yet"))
    environment = read_environment(str(tmp_path / "env"), python=python(), targets=targets)
    assert paths(environment) == [target, prefix, own]


def test_the_folders_of_pythonpath_come_before_its_own(tmp_path: Path) -> None:
    own = site(venv(tmp_path / "env"))
    target, module = tmp_path / "target", tmp_path / "module"
    for folder in (target, module):
        folder.mkdir()
    (module / "x.pth").write_text(str(tmp_path))
    environment = read_environment(
        str(tmp_path / "env"), python=python(), targets=(str(target),), python_path=(str(module), "/not/there")
    )
    assert paths(environment) == [target, module, own]


def test_pythonpath_of_a_front_end() -> None:
    entries = ("/module", "near", "/var/pip-build-env-x/site", "", "/var/.package/torch")
    variables = {"PYTHONPATH": os.pathsep.join(entries)}

    def read(command: str) -> tuple[str, ...]:
        return python_path_of(front_end(*command.split(), folder="/project", **variables))

    assert read("/env/bin/python -m pip install .") == ("/module", "/project/near", "/var/.package/torch")
    assert read("/env/bin/python -I -m pip install .") == read("python -Em pip install .") == ()
    assert python_path_of(front_end()) == python_path_of(None) == ()


def test_what_an_interpreter_runs_as_it_starts(tmp_path: Path, home: Path) -> None:
    own, user = site(venv(tmp_path / "env")), site(home / ".local")
    (user / "usercustomize.py").touch()
    (tmp_path / "module" / "sitecustomize").mkdir(parents=True)

    def customized(*python_path: Path) -> str:
        found = read_environment(str(tmp_path / "env"), python=python(), python_path=map(str, python_path))
        return found.customized

    assert customized(tmp_path / "module") == ""
    (own / "usercustomize.py").touch()  # a venv has no user site, so that nothing runs it
    assert customized() == ""
    (own / "sitecustomize.py").touch()
    assert customized() == str(own / "sitecustomize.py")
    (tmp_path / "module" / "sitecustomize" / "__init__.py").touch()
    assert customized(tmp_path / "module") == str(tmp_path / "module" / "sitecustomize" / "__init__.py")
    site(tmp_path / "base")
    assert read_environment(str(tmp_path / "base"), python=python()).customized == str(user / "usercustomize.py")


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        ({"store.pth": "import sys; sys.path.insert(0, '/nix/store/x')"}, True),
        ({"store.pth": "import store", "store.py": "import site\nsite.addsitedir(read())\n"}, True),
        ({"store.start": "store.startup:run", "store/startup.py": "import sys\nsys.path += folders()\n"}, True),
        ({"store.start": "# store.startup:run", "store/startup.py": "import sys\nsys.path += folders()\n"}, False),
        ({"store.start": "store:run", "store/__init__.py": "print('hello')\n"}, False),
        ({"store.start": "gone:run", ".hidden.start": "store:run", "store.py": "sys.path += []"}, False),
        (
            {"_virtualenv.pth": "import _virtualenv", "_virtualenv.py": "import sys\nsys.meta_path.insert(0, F())\n"},
            False,
        ),
        ({"a.pth": "import sys; sys.__plen = len(sys.path)", "b.pth": "/sys.path.append/"}, False),
        (
            {"_editable_skbc_foo.start": "_editable_skbc_foo:entrypoint", "_editable_skbc_foo.py": "sys.path += []"},
            False,
        ),
        ({"overlay.pth": "import site; site.addsitedir('/elsewhere')"}, False),
    ],
)
def test_what_pth_and_start_files_run(tmp_path: Path, files: dict[str, str], *, counts: bool) -> None:
    own = site(venv(tmp_path / "env"))
    write(own, files)
    customized = read_environment(str(tmp_path / "env"), python=python()).customized
    assert customized == (str(own / next(iter(files))) if counts else "")


def test_a_folder_that_uv_puts_below_an_environment(tmp_path: Path) -> None:
    own, below = site(venv(tmp_path / "env")), site(venv(tmp_path / "below"))
    (own / "_uv_ephemeral_overlay.pth").write_text(f"import site; site.addsitedir({str(below)!r})\n")
    found = read_environment(str(tmp_path / "env"), python=python())
    assert (paths(found), found.customized) == ([own, below], "")


def test_the_base_of_a_venv_that_sees_it(tmp_path: Path, home: Path) -> None:
    base, user = site(tmp_path / "base"), site(home / ".local")
    cfg = f"home = {tmp_path}/base/bin\ninclude-system-site-packages = TRUE\nversion = 3.11.1\n"
    own = site(venv(tmp_path / "env", cfg))
    assert paths(read_environment(str(tmp_path / "env"), python=python())) == [own, user, base]
    quiet = front_end("python", "-s", "-m", "pip", "install")
    assert paths(read_environment(str(tmp_path / "env"), python=python(), front_end=quiet)) == [own, base]


@pytest.mark.skipif(sys.platform == "darwin", reason="framework builds have another user site")
def test_the_user_site_of_a_base(tmp_path: Path, home: Path) -> None:
    own, user, other = site(tmp_path / "base"), site(home / ".local"), site(tmp_path / "ub")
    prefix = str(tmp_path / "base")

    def read(process: Process | None) -> list[Path]:
        return paths(read_environment(prefix, python=python(), front_end=process))

    assert read(None) == [user, own]
    assert read(front_end()) == [user, own]
    assert read(front_end(PYTHONUSERBASE="ub", folder=str(tmp_path))) == [other, own]
    assert read(front_end(PYTHONUSERBASE=str(tmp_path / "ub"))) == [other, own]
    assert read(front_end(PYTHONNOUSERSITE="1")) == [own]
    assert read(front_end("python", "-Im", "pip", "install")) == [own]


def test_pth_files(tmp_path: Path) -> None:
    own = site(venv(tmp_path / "env"))
    for name in ("develop", "own", "later"):
        (tmp_path / name).mkdir()
    (own / "inner").mkdir()
    (own / "a.pth").write_text(
        f"# {tmp_path}/later\n\n{tmp_path}/develop\n"
        f"import sys; sys.path.append('{tmp_path}/later')\ninner  \n../nowhere\n"
    )
    (own / "b.pth").write_bytes(b"\xff\xfe\0bad\n" + str(tmp_path / "own").encode())
    (own / ".hidden.pth").write_text(str(tmp_path / "later"))
    (own / "b.pth.txt").write_text(str(tmp_path / "later"))
    expected = [own, tmp_path / "develop", own / "inner", tmp_path / "own"]
    assert paths(read_environment(str(tmp_path / "env"), python=python())) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("home = /a=b\n HOME2=x \nno key\n", {"home": "/a=b", "home2": "x"}),
        ("Version = 3.11\r\nversion = 3.12", {"version": "3.12"}),
    ],
)
def test_pyvenv_cfg(text: str, expected: dict[str, str]) -> None:
    assert parse_pyvenv_cfg(text) == expected


def test_the_environment_of_an_interpreter(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    (env / "bin").mkdir()
    (env / "bin" / "python").symlink_to(sys.executable)
    assert prefix_of_interpreter(env / "bin" / "python") == env
    assert prefix_of_interpreter(env / "bin" / "gone") == env
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert prefix_of_interpreter(loop) == tmp_path
    assert is_environment(env)
    assert not is_environment(tmp_path)


def test_the_base_of_nested_venvs(tmp_path: Path) -> None:
    outer = venv(tmp_path / "outer", f"home = {tmp_path}/base/bin\n")
    assert base_of(f"{outer}/bin") == tmp_path / "base"
    assert base_of(f"{tmp_path}/WinBase") == tmp_path / "WinBase"
    own = venv(tmp_path / "loop", f"home = {tmp_path}/loop/bin\n")
    assert base_of(f"{own}/bin") == own


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("torch-2.8.0.dist-info", True),
        ("torch-2.8.0+cu128-py3.11.egg-info", True),
        ("torch_scatter-2.1.dist-info", False),
        ("torch-scatter-2.1.dist-info", False),
        ("torch", False),
    ],
)
def test_whether_torch_is_there(tmp_path: Path, name: str, *, there: bool) -> None:
    (site(tmp_path / "base") / name).mkdir()
    site(venv(tmp_path / "env", f"home = {tmp_path}/base/bin\ninclude-system-site-packages = true\n"))
    site(venv(tmp_path / "alone", f"home = {tmp_path}/base/bin\n"))
    assert holds_torch(tmp_path / "base") is there
    assert holds_torch(tmp_path / "env") is there
    assert not holds_torch(tmp_path / "alone")
    assert python_versions(tmp_path / "env") == ("3.11",)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/t/pip-build-env-abc", True),
        ("/t/build-env-abc", True),
        ("/c/builds-v0/.tmpA", True),
        ("/c/archive-v0/abc", True),
        # Of uv's central place: they are kept.
        ("/c/environments-v2/app-cp3.11.7-c859c5891e4acf47", False),
        ("/p/.tox/.pkg", True),
        ("/p/.tox/.pkg-py311", True),
        ("/p/.tox/py311", False),
        ("/p/.venv", False),
        ("/", False),
    ],
)
def test_throw_away_environments_are_known_by_name(prefix: str, *, expected: bool) -> None:
    assert is_throw_away(Path(prefix)) is expected
    assert is_kept_by_uv(Path(prefix)) is ("environments-v" in prefix)
