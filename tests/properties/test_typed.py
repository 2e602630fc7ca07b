from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgraft.model.observation import FrontEndName
from torchgraft.shell_words import install_command, quoted

BASH = shutil.which("bash")


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("/home/me/.venv", "/home/me/.venv"),
        ("/home/me/my env", "'/home/me/my env'"),
        ("torch>=2.4", "'torch>=2.4'"),
        ("/home/jörg", r"$'/home/j\303\266rg'"),
        ("a'ö\\", r"$'a\047\303\266\134'"),
        ("a\nb", r"$'a\012b'"),
    ],
)
def test_words_for_a_shell(word: str, typed: str) -> None:
    assert quoted(word) == typed


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@given(word=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20))
def test_the_shell_reads_the_same_word(word: str) -> None:
    typed = quoted(word)
    assert typed.isascii()
    assert typed.isprintable()
    said = subprocess.run([str(BASH), "-c", f"printf %s {typed}"], stdout=subprocess.PIPE, check=True)
    assert said.stdout.decode() == word


def test_what_installs() -> None:
    def command(prefix: str | None, front_end: FrontEndName) -> str:
        return install_command(prefix, ["torch"], front_end=front_end)

    assert command("/my env", FrontEndName.PIP) == "pip --python '/my env' install torch"
    assert command("/my env", FrontEndName.UV) == "uv pip install --python '/my env' torch"
    assert command(None, FrontEndName.BUILD) == "pip install torch"
    assert command(None, FrontEndName.UV) == "uv pip install torch"
