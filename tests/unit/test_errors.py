from __future__ import annotations

import ast
from pathlib import Path

import pytest
from error_codes import ERROR_CODES

from torchgraft.errors import Evidence, PlanError, Problem, ascii_text, problem_text, problems_text
from torchgraft.hook.diagnoses import DIAGNOSES

ROOT = Path(__file__).parents[2]

EXAMPLE = Problem(
    code="cuda-mismatch",
    headline="nvcc 11.5 cannot compile for a PyTorch built with CUDA 12.8",
    evidence=(Evidence(label="torch", text="2.9.1+cu128 in ~/train/.venv"), Evidence(label="nvcc", text="11.5")),
    why="an extension and its PyTorch must share the CUDA major version",
    fixes=("export CUDA_HOME=/usr/local/cuda-12.8",),
)


def test_a_problem_reads_as_documented() -> None:
    assert problem_text(EXAMPLE) == (
        "error[cuda-mismatch]: nvcc 11.5 cannot compile for a PyTorch built with CUDA 12.8\n"
        "  torch:  2.9.1+cu128 in ~/train/.venv\n"
        "  nvcc:   11.5\n"
        "  why:    an extension and its PyTorch must share the CUDA major version\n"
        "  fix:    export CUDA_HOME=/usr/local/cuda-12.8"
    )


def test_long_evidence_is_wrapped_and_a_fix_never_is() -> None:
    words = "word " * 40
    command = "pip install " + "--flag " * 40
    text = problem_text(Problem(code="x", headline="h", evidence=(Evidence(label="l", text=words),), fixes=(command,)))
    assert all(len(line) <= 90 for line in text.splitlines() if "fix:" not in line)
    assert command in text


def test_a_comment_that_does_not_fit_stands_below_its_command() -> None:
    command = "pip --python /home/somebody/projects/training/.venv install 'torch>=2.14'"
    comment = "(first; then the same command, which finds the torch that is there by then)"
    lines = problem_text(Problem(code="x", headline="h", fixes=(f"{command}   {comment}",))).splitlines()
    assert lines[1:] == [f"  fix:    {command}", f"          {comment}"]


def test_text_is_printable_and_that_of_hooks_ascii() -> None:
    text = problem_text(Problem(code="x", headline="caf\xe9\x1b[31m \u2192 \u202e"))
    assert text == "error[x]: caf\xe9\\x1b[31m \u2192 \\u202e"
    assert ascii_text(f"{text}\n") == "error[x]: caf\\xe9\\x1b[31m \\u2192 \\u202e\n"


@pytest.mark.parametrize(
    "url", ["https://me:secret@x.example/t.whl", "https://me:my@secret@x.example/", "https://x.example/t?token=secret"]
)
def test_a_password_is_not_shown(url: str) -> None:
    evidence = (Evidence(label="asked", text=f"torch @ {url}"),)
    text = problem_text(Problem(code="x", headline=url, evidence=evidence, fixes=(f"pip install {url}",)))
    assert "secret" not in text
    assert text.count("x.example/") == 3


def test_problems_are_shown_all_at_once() -> None:
    error = PlanError(EXAMPLE, Problem(code="other", headline="h"))
    assert str(error) == problems_text((EXAMPLE, Problem(code="other", headline="h")))
    assert "\n\nerror[other]: h" in str(error)


def codes_in(source: str) -> set[str]:
    """Return the strings that become the code of a problem: `code=...` in a call, or bound to the name `code`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "code":
            value: ast.AST = node.value
        elif isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["code"]:
            value = node.value
        else:
            continue
        strings = [n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        found.update(strings)
    return found


def test_every_code_that_can_be_said_is_explained_and_no_other() -> None:
    codes = set[str]().union(*(codes_in(path.read_text()) for path in (ROOT / "src").rglob("*.py")))
    codes |= {row.code for row in DIAGNOSES}
    assert sorted(code for group in ERROR_CODES.values() for code in group) == sorted(codes)


def test_a_code_without_an_explanation_has_its_message_on_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    for code in (code for group in ERROR_CODES.values() for code, meaning in group.items() if not meaning):
        assert f"\nerror[{code}]: " in page, code
