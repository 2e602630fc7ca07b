from __future__ import annotations

import pytest

from torchgraft.redaction import Names, redacted, redacted_json, without_credentials, without_secrets
from torchgraft.tools.show_snapshot import take_names

NAMES = Names(homes=("/srv/people/ada", "/"), people=("ada", "root", "x"), hosts=("lab-7.example.org", "lab-7"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/people/ada/.venv", "~/.venv"),
        ("/srv/people/ada-lovelace/.venv", "/srv/people/USER-lovelace/.venv"),
        ("fix: pip --python /srv/people/ada install", "fix: pip --python ~ install"),
        ("/scratch/ada/x and /data/ada_envs", "/scratch/USER/x and /data/USER_envs"),
        ("/home/grace/x:/Users/joan/y", "/home/USER/x:/Users/USER/y"),
        (r"C:\Users\joan\x", r"C:\Users\USER\x"),
        ("on lab-7.example.org or LAB-7", "on HOST or HOST"),
        ("adapter, canada", "adapter, canada"),
        ("/root/x", "/root/x"),
        ("x", "x"),
        ("https://ada:s3cret@index.example.org/simple", "https://...@index.example.org/simple"),
        ("torch @ https://x.org/t.whl?sig=abc%2F#sha256=77", "torch @ https://x.org/t.whl?...#sha256=77"),
        ("https://bob:p@ssw0rd@h/x@1", "https://...@h/x@1"),
        ("https://bob:it's@h/ and ada@h", "https://...@h/ and USER@h"),
        ("https://h?next=me@h", "https://...@h"),
        ("is it https://h/? (https://h/x?a=b)", "is it https://h/? (https://h/x?...)"),
        ("/x/https:/ada:s3cret@h/y?sig=abc and c:/a@b", "/x/https:/...@h/y?... and c:/a@b"),
        ("git+ssh://git@x.org/y", "git+ssh://...@x.org/y"),
    ],
)
def test_what_is_taken_out(text: str, expected: str) -> None:
    assert redacted(text, NAMES) == expected


def test_redacting_twice_changes_nothing() -> None:
    text = "/srv/people/ada/x https://a:b@c.org/d?e=f lab-7 /home/you/z"
    assert redacted(redacted(text, NAMES), NAMES) == redacted(text, NAMES)


def test_secrets_are_taken_out_of_every_string() -> None:
    data = {"a": ["https://u:p@x.org", 1, None, True], "/srv/people/ada": {"b": "ada"}}
    assert redacted_json(data, None) == {"a": ["https://...@x.org", 1, None, True], "/srv/people/ada": {"b": "ada"}}
    assert redacted_json(data, NAMES) == {"a": ["https://...@x.org", 1, None, True], "~": {"b": "USER"}}


def test_text_without_secrets_stays() -> None:
    text = "https://github.com/a/b/issues/1 (why? because) user@host"
    assert without_secrets(text) == text


def test_without_credentials_it_is_still_the_same_address() -> None:
    assert without_credentials("https://me:p@ss@x.org/a@b?c=d") == "https://x.org/a@b?c=d"
    assert without_credentials("me@x/requirements.txt") == "me@x/requirements.txt"


def test_the_names_of_this_account() -> None:
    names = take_names({"USER": "ada", "HOME": "/srv/people/countess"})
    assert {"ada", "countess"} <= set(names.people)
    assert "/srv/people/countess" in names.homes
    assert all(names.hosts)


@pytest.mark.parametrize(
    "text",
    [
        "PROXY=me:S3CRET@proxy:3128  (env)",
        "http_proxy = 'me:S3CRET@proxy.example.org/'",
        "https://me:S3/CRET@h/x",
        "https://me:S3CRET-that-is-cut-o...",
        "redis://:S3CRET@h:6379/0",
        "MY_TOKEN=S3CRET  (env)",
        "-DAPI_KEY='S3C RET'",
        '-DTOKEN="S3CRET"',
        "--password=S3CRET --x",
        '{"x-token": "S3CRET"}',
        "Authorization: Bearer S3CRET",
        "https://h/x#access_token=S3CRET",
        "_auth=S3CRET",
        "GH_PAT=S3CRET",
        "MY_INDEX=ghp_S3CRETS3CRETS3CRETS3CRET",
        '-DX="github_pat_11S3CRET_S3CRETS3CRET"',
        "hf_S3CRETS3CRETS3CRET, pypi-AgEIcHlwaS5vcmcS3CRET",
        "(glpat-S3CRET_S3-CRETS3CRET)",
        "xoxb-1234-5678-S3CRETS3CRET or AKIAS3CRETS3CRETS3CRET",
        "sk-proj-S3CRET_S3CRET-S3CRET",
        "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJS3CRET.S3CRET-S3 y",
        "-----BEGIN RSA PRIVATE KEY-----\nS3CRET\nS3/+==\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_credentials_without_a_scheme_and_what_is_called_a_secret(text: str) -> None:
    assert "S3" not in without_secrets(text)
    assert without_secrets(without_secrets(text)) == without_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:8080/a@b https://[::1]:80/x@y http://h:80, http://h:",
        "git@github.com:a/b x:y@ z store_key.py: 1 /etc/passwd: 3 kB in nvidia/cuda:12.8@sha256:00 file://C:/x",
        "TOKENIZERS_PARALLELISM=false PWD=/x PATH=/y SCCACHE_S3_KEY_PREFIX=z key=1 AUTHOR=me",
        "#sha256=00&subdirectory=x",
        "hf_transfer_of_something_long npm_config_python_executable sk-learn-contrib-of-something eyJoys.x",
        "task-1234567890123456",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_a_value_in_json_is_one_of_its_name() -> None:
    kept = {"variables": [{"name": "A", "value": "b"}], "a/token.py": "b"}
    data = {**kept, "password": {"name": "A_TOKEN", "value": "S3CRET"}, "api-keys": ["S3CRET"]}
    shown = {**kept, "password": {"name": "A_TOKEN", "value": "..."}, "api-keys": ["..."]}
    assert redacted_json(data, None) == redacted_json(data, Names()) == shown
