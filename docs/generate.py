"""Write the pages and the schema that follow from the code: `python docs/generate.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "docs")]

from command_line_page import command_line_text  # noqa: E402
from error_codes import ERROR_CODES  # noqa: E402
from error_examples import error_examples  # noqa: E402
from settings_page import json_schema, reference_text, rules_text  # noqa: E402
from vocabulary_reasons import reason_of  # noqa: E402

from torchgraft.errors import problem_text  # noqa: E402
from torchgraft.settings.vocabulary import VOCABULARY, Word  # noqa: E402

HEAD = """# Settings

<!-- Written by docs/generate.py from src/torchgraft/settings/config.py. -->

You can set a setting in `[tool.torchgraft]`, by a variable, or by a `-C` argument. `-C` overrides the variable, which
overrides `pyproject.toml`. An empty variable counts as not set. In a variable or argument, separate names in a list by
commas or spaces, and put each requirement on its own line, or in its own `-C`. Unknown keys, wrong types and invalid
values are errors. They are all reported at once, with exit status 2.

A few words: the *consumer* is the environment that the package is built for, the *wrapped backend* does the
actual work (setuptools, unless you name another), and the *plan* lists everything that a build will do
([how it works](../how-it-works.md)).

"""

COMMANDS_HEAD = """# Command line

<!-- Written by docs/generate.py from the parsers in src/torchgraft/tools. -->

The command line is for people and for CI; pip, uv and other front ends do not need it. Install it with
`uv tool install 'torchgraft[cli]'`, `pipx install 'torchgraft[cli]'` or `pip install 'torchgraft[cli]'`. Only
`adopt`, `vendor` and `completion` need the extra `cli`; without it they tell you what to type. `python -m torchgraft`
is the same as `torchgraft`.

Every command that prints a result has `--json`. There are no colours if standard output is not a terminal, or if
`NO_COLOR` is set.

| exit status | meaning |
| --- | --- |
| 0 | everything is fine |
| 1 | something on the machine has to change: no torch, another Python, a package that does not link |
| 2 | a setting or an argument has to change |
| 3 | a bug in torchgraft; the traceback is above the message |
| 130 | interrupted |

"""

RULES_HEAD = """# Rules and facts

<!-- Written by docs/generate.py from src/torchgraft/settings/conditions.py and src/torchgraft/settings/facts.py. -->

A rule is a table `[[tool.torchgraft.when]]` in `pyproject.toml`. It has conditions, and says what happens if all of
them are met.

```toml
[[tool.torchgraft.when]]
torch = ">=2.4,<2.9"
accelerator = "cuda"
requires = ["triton==3.*"]
env = { MY_ARCH = "cu{cuda_major}" }

[[tool.torchgraft.when]]
gcc = "<9"
error = "the kernels need gcc 9 or later"
```

Rules are evaluated in order, and all that apply are used. `torchgraft plan -v` shows which ones apply, and why:

```text
rules      1 applies: torch 2.8.0+cu128 is >=2.4,<2.9, accelerator cuda is cuda
           2 does not apply: gcc 12.2.0 is not <9
```

## What is not known yet

If a condition is about something that is not known yet, its rule does not apply, and the plan says *not known yet*.

- If the front end still has to install torch, its version is known if a lock file, an argument or a dependency
  names exactly one. Its CUDA version and accelerator are known if that version has a local part (`2.8.0+cu128`):
  without one, 2.8.0 is a CUDA build on one platform and a CPU build on another. When the wheel is built, torch is
  there, and everything is known.
- `gcc` and `gpu` are about the machine that compiles, so they are unknown for metadata and sdists. torchgraft looks
  for compilers and GPUs only if a rule asks for them, or if CUDA code is compiled.

So the conditions of a rule with `requires` should be known when the front end asks for the build requirements. If it
turns out later that such a rule applies, the notes of the plan list what is missing in the build environment.

Metadata never depend on rules about the machine, because a front end may prepare them on another one.

"""


VOCABULARY_HEAD = """# Vocabulary

<!-- Written by docs/generate.py from src/torchgraft/settings/vocabulary.py. -->

Well-known packages have their own variables for things that torchgraft decides: whether to compile CUDA code, for
which GPUs, and with how many jobs. torchgraft sets the variables of the package that has the project's name. For a
fork with another name, use `[tool.torchgraft] vocabulary = ["flash-attn"]`. Rows *on request* change what the package
contains, so they are only used for packages that the setting names. `vocabulary = "off"` sets none.

Variables that the user has set, and those in `env` or in a rule, override the vocabulary. Nothing is forced if torch
has no CUDA, or if there is no toolkit. Each row was found in the given file; other releases may read other variables.

A value in braces is filled in: `numbers` with architectures such as `80;90`, `dotted` with `8.0;9.0` (both limited to
those that the package has code for), `gfx` with AMD's, such as `gfx90a;gfx942`, `gfx_words` with the same separated by
spaces, `one_gfx` with AMD's if there is exactly one, `jobs` with MAX_JOBS, `torch` with torch's version without its
local part.

| package | variable | set if | why | seen in |
| --- | --- | --- | --- | --- |
"""


# What was read, and has no row that leaves CUDA out: package, why, and the file.
WITHOUT_WORDS = (
    (
        "apex",
        "`setup.py` always runs nvcc. CUDA cannot be left out, so it cannot be built with a CPU build of torch",
        "https://github.com/NVIDIA/apex/blob/6424da3b4faa6c8f062da4a48c424fff3f02d42d/setup.py",
    ),
    (
        "bitsandbytes",
        "its build needs no torch, and compiles for the CPU unless you pass `-C cmake.define.COMPUTE_BACKEND=cuda`",
        "https://github.com/bitsandbytes-foundation/bitsandbytes/blob/95f9af309d4d5793847169c39288dcd3fcbdf564/setup.py",
    ),
    (
        "detectron2",
        "`FORCE_CUDA` is enough; with a CPU build of torch it compiles its C++ sources",
        "https://github.com/facebookresearch/detectron2/blob/02b5c4e295e990042a714712c21dc79b731e8833/setup.py",
    ),
    (
        "gptqmodel 7",
        "its build does not need torch: kernels are compiled when they are first used",
        "https://pypi.org/project/gptqmodel/7.7.0/",
    ),
    (
        "MinkowskiEngine",
        "it only reads arguments of `setup.py`. On a machine without a GPU it compiles for the CPU",
        "https://github.com/NVIDIA/MinkowskiEngine/blob/02fc608bea4c0549b0a7b00ca1bf15dee4a0b228/setup.py",
    ),
    (
        "natten",
        "without a GPU and without `NATTEN_CUDA_ARCH` it is pure Python",
        "https://pypi.org/project/natten/0.21.7/",
    ),
    (
        "nvdiffrast",
        "it always compiles for CUDA and reads no variable, so it cannot be built with a CPU build of torch",
        "https://github.com/NVlabs/nvdiffrast/blob/253ac4fcea7de5f396371124af597e6cc957bfae/setup.py",
    ),
    (
        "sageattention 1",
        "the releases on PyPI are pure Python; the row above is for the sources on GitHub",
        "https://pypi.org/project/sageattention/1.0.6/",
    ),
    (
        "xformers",
        "with a CPU build of torch it compiles its C++ sources, without any variable",
        "https://pypi.org/project/xformers/0.0.35/",
    ),
)


def without_words_text() -> str:
    """Return the packages that were read for the table and need no row."""
    lines = [
        f"- {package}: {why} ([{address.rstrip('/').rpartition('/')[2]}]({address}))."
        for package, why, address in WITHOUT_WORDS
    ]
    return "\n## Nothing else to set\n\n" + "\n".join(lines) + "\n"


ERRORS_HEAD = """# Errors

<!-- Written by docs/generate.py from docs/error_codes.py; the messages are what the code says. -->

Every message says what happened, what was found and where, why that cannot work, and how to fix it. You can copy the
command of a `fix` line as it is; text in parentheses after it is a comment. All problems are reported at once, on
standard error. The *consumer* is the environment that the package is built for.

| exit status | meaning |
| --- | --- |
| 1 | something on the machine has to change: it is missing, broken or does not fit |
| 2 | a setting has to change: `pyproject.toml`, a `TORCHGRAFT_*` variable or a `-C` argument |
| 3 | a bug in torchgraft; the traceback is above the message |

A front end turns these into its own exit status.

If nothing else helps, `TORCHGRAFT_PROVIDE=off` turns torchgraft off: the package is built by the backend that
torchgraft would have called, as if the project had named that one.

"""


def errors_text() -> str:
    """Return every code with its meaning, and a message where one could be made."""
    examples = error_examples()
    lines = []
    for title, codes in ERROR_CODES.items():
        lines += [f"## {title}", ""]
        for code, meaning in codes.items():
            message = problem_text(examples[code]) if code in examples else ""
            lines += [f"### `{code}`", ""]
            lines += [meaning, ""] if meaning else []
            lines += ["```text", message, "```", ""] if message else []
    return "\n".join(lines)


def vocabulary_row(word: Word) -> str:
    """Return one row of the table."""
    why, source = reason_of(word)
    address, _, file = source.partition(" ")
    where = word.when.value.replace("|", "or") + (", on request" if word.asked else "")
    file = file or address.rpartition("/")[2]
    packages = ", ".join(word.packages) or "every package"
    return f"| {packages} | `{word.variable}={word.value}` | {where} | {why} | [{file}]({address}) |\n"


def pages() -> dict[str, str]:
    """Return the text of every generated file, by its path below docs/."""
    return {
        "reference/settings.md": HEAD + reference_text(),
        "reference/command-line.md": COMMANDS_HEAD + command_line_text(),
        "reference/rules.md": RULES_HEAD + rules_text(),
        "reference/errors.md": ERRORS_HEAD + errors_text(),
        "reference/vocabulary.md": VOCABULARY_HEAD + "".join(map(vocabulary_row, VOCABULARY)) + without_words_text(),
        "reference/torchgraft.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


def main() -> None:
    """Write the files."""
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
