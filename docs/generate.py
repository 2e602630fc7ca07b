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

from torchgraft.errors import problem_text  # noqa: E402
from torchgraft.settings.vocabulary_words import VOCABULARY, Word  # noqa: E402

HEAD = """# Settings

<!-- Written by docs/generate.py from src/torchgraft/settings/config.py. -->

A setting is a key of `[tool.torchgraft]`, a variable, or a `-C` argument; `-C` beats the variable, which beats
`pyproject.toml`. A variable that is empty is unset. Lists of names are separated by commas or spaces in text; lists of
requirements have one a line, or one for each `-C`. Unknown keys, wrong types and values that cannot be understood are
errors, all reported at once, exit status 2.

"""

COMMANDS_HEAD = """# Command line

<!-- Written by docs/generate.py from the parsers in src/torchgraft/tools. -->

Front ends need no command of torchgraft: they call its hooks. The command line is for people, and for CI. `torchgraft`
and `python -m torchgraft` are the same. `adopt`, `vendor` and `completion` need the extra `cli`:
`uv tool install 'torchgraft[cli]'`, `pipx install 'torchgraft[cli]'`, `pip install 'torchgraft[cli]'`. Without it they
say what to type.

Every command that says something has `--json`. Nothing is coloured where standard output is no terminal, or where
`NO_COLOR` is set.

| exit status | meaning |
| --- | --- |
| 0 | all is well |
| 1 | the machine must change: no torch, another Python, a package that does not link |
| 2 | the settings or arguments must change |
| 3 | a bug in torchgraft; the traceback stands above the message |
| 130 | interrupted |

"""

RULES_HEAD = """# Rules and facts

<!-- Written by docs/generate.py from src/torchgraft/settings/conditions.py and src/torchgraft/settings/facts.py. -->

A rule is a table `[[tool.torchgraft.when]]` in `pyproject.toml`: conditions, all of which have to hold, and what
follows.

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

Rules are evaluated in their order, and all that apply count. `torchgraft plan` shows of each whether it applies, and
why:

```text
rules      1 applies: torch 2.8.0+cu128 is >=2.4,<2.9, accelerator cuda is cuda
           2 does not apply: gcc 12.2.0 is not <9
```

## What is not known yet

A condition may be about something that nobody knows yet; its rule does not apply then, and the plan says *not known
yet*.

- Where the front end has yet to install torch, its version is known if a lock, an argument or a dependency names
  exactly one. CUDA and accelerator are known if that version has a local part (`2.8.0+cu128`): without one, 2.8.0 is a
  CUDA build on one platform and a CPU build on the next. When the wheel is built, torch is there, and all is known.
- `gcc` and `gpu` are about the machine that compiles: metadata and sdists are made without looking at it. Compilers
  and GPUs are looked for only where a rule asks, or CUDA code is compiled.

So a rule with `requires` should have conditions that are known when requirements are asked for. Where one turns out to
apply only later, the notes of the plan say what the build environment lacks.

Metadata never depend on rules about the machine: the front end may prepare them elsewhere.

"""


VOCABULARY_HEAD = """# Vocabulary

<!-- Written by docs/generate.py from src/torchgraft/settings/vocabulary_words.py. -->

Well-known packages read variables of their own for what torchgraft has decided anyway: whether CUDA code is compiled,
for which GPUs, by how many jobs. Those of the package that has the project's name are set; for a fork under another
name, `[tool.torchgraft] vocabulary = ["flash-attn"]` says which package it is. Rows *on request* are set only for
packages that the setting names, since they change what the package makes of itself. `vocabulary = "off"` sets none.

A variable that the user has set keeps the user's value; one in `env` or in a rule beats the vocabulary. With a torch
that has no CUDA, or without a toolkit, nothing is forced. Each row has been seen in the file that is named: releases
before or after it may read other variables.

Between braces: `numbers` are architectures as `80;90`, `dotted` as `8.0;9.0`, within those that the package has code
for; `gfx` are AMD's as `gfx90a;gfx942`, `gfx_words` the same with spaces, `one_gfx` only where there is one; `jobs` is
what MAX_JOBS is, `torch` torch's version without its local part.

| package | variable | set where | why | seen in |
| --- | --- | --- | --- | --- |
"""


# What was read, and has no row that leaves CUDA out: package, why, and the file.
WITHOUT_WORDS = (
    (
        "apex",
        "`setup.py` asks nvcc for its version in any case: nothing leaves CUDA out, no CPU torch can build it",
        "https://github.com/NVIDIA/apex/blob/6424da3b4faa6c8f062da4a48c424fff3f02d42d/setup.py",
    ),
    (
        "bitsandbytes",
        "its build needs no torch, and compiles for processors unless told `-C cmake.define.COMPUTE_BACKEND=cuda`",
        "https://github.com/bitsandbytes-foundation/bitsandbytes/blob/95f9af309d4d5793847169c39288dcd3fcbdf564/setup.py",
    ),
    (
        "detectron2",
        "`FORCE_CUDA` says all; with a CPU build of torch it compiles its C++ sources",
        "https://github.com/facebookresearch/detectron2/blob/02b5c4e295e990042a714712c21dc79b731e8833/setup.py",
    ),
    (
        "gptqmodel 7",
        "its build needs no torch: kernels are compiled at their first use",
        "https://pypi.org/project/gptqmodel/7.7.0/",
    ),
    (
        "MinkowskiEngine",
        "it reads arguments of `setup.py` alone: where the machine that builds has no GPU, it compiles for processors",
        "https://github.com/NVIDIA/MinkowskiEngine/blob/02fc608bea4c0549b0a7b00ca1bf15dee4a0b228/setup.py",
    ),
    (
        "natten",
        "nothing has to leave CUDA out: without `NATTEN_CUDA_ARCH` and a GPU it is plain Python",
        "https://pypi.org/project/natten/0.21.7/",
    ),
    (
        "nvdiffrast",
        "it compiles for CUDA in any case, and reads no variable: a CPU build of torch cannot build it",
        "https://github.com/NVlabs/nvdiffrast/blob/253ac4fcea7de5f396371124af597e6cc957bfae/setup.py",
    ),
    (
        "sageattention 1",
        "the releases on PyPI are plain Python; the row is for the sources on GitHub",
        "https://pypi.org/project/sageattention/1.0.6/",
    ),
    (
        "xformers",
        "with a CPU build of torch it compiles its C++ sources, without asking for anything",
        "https://pypi.org/project/xformers/0.0.35/",
    ),
)


def without_words_text() -> str:
    """Return the packages that were read for the table, and for which nothing is to be said to them."""
    lines = [
        f"- {package}: {why} ([{address.rstrip('/').rpartition('/')[2]}]({address}))."
        for package, why, address in WITHOUT_WORDS
    ]
    return "\n## Nothing else to set\n\n" + "\n".join(lines) + "\n"


ERRORS_HEAD = """# Errors

<!-- Written by docs/generate.py from docs/error_codes.py; the messages are what the code says. -->

Every message says what happened, what was found and where, why that cannot work, and what cures it. A `fix` line runs
as typed; what stands in parentheses after it is for you. All problems are reported at once, on standard error.

| exit status | meaning |
| --- | --- |
| 1 | the machine must change: something is missing, broken or does not fit |
| 2 | the settings must change: `pyproject.toml`, a `TORCHGRAFT_*` variable or a `-C` argument |
| 3 | a bug in torchgraft; the traceback stands above the message |

A front end turns any of them into its own exit status.

Whatever goes wrong, `TORCHGRAFT_PROVIDE=off` takes torchgraft out of the way: the hooks are passed to the delegate, as
if the project had named it.

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
    address, _, file = word.source.partition(" ")
    where = word.when.value.replace("|", "or") + (", on request" if word.asked else "")
    file = file or address.rpartition("/")[2]
    packages = ", ".join(word.packages) or "every package"
    return f"| {packages} | `{word.variable}={word.value}` | {where} | {word.why} | [{file}]({address}) |\n"


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
