from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgraft.errors import install_command, quoted

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
    assert install_command("/my env", ["torch"], by_uv=False) == "pip --python '/my env' install torch"
    assert install_command("/my env", ["torch"], by_uv=True) == "uv pip install --python '/my env' torch"
    assert install_command(None, ["torch"], by_uv=False) == "pip install torch"
    assert install_command(None, ["torch"], by_uv=True) == "uv pip install torch"
