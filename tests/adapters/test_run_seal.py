"""Sealed run directories: signatures, commands that write derived files again, and runs that are not over."""

import os
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from learnae.adapters.run_directory import HISTORY, RunDirectory
from learnae.adapters.run_directory.seal import RUNNING, deviations, is_running, read_seal, seal_run
from learnae.adapters.run_directory.signing_key import parse_public_key
from learnae.errors import InputError
from learnae.private_file import write_private
from learnae.records.seal import SEAL, Seal
from learnae.session.environment import SIGNING_KEY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "journals").mkdir(parents=True)
    (folder / HISTORY).write_text("history")
    (folder / "journals" / "p00.jsonl").write_text("journal")
    return folder


def key_file(path: Path, form: PrivateFormat = PrivateFormat.OpenSSH) -> str:
    """Write a new key; its public half in hex."""
    key = Ed25519PrivateKey.generate()
    write_private(path, key.private_bytes(Encoding.PEM, form, NoEncryption()).decode(), replace=True)
    public = key.public_key()
    path.with_name(path.name + ".pub").write_bytes(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    return public.public_bytes_raw().hex()


def sealed(folder: Path) -> Seal:
    seal = read_seal(folder)
    assert seal
    return seal


def test_a_sealed_folder_is_as_it_was(folder: Path) -> None:
    seal = seal_run(folder)
    assert sealed(folder) == seal and [file.path for file in seal.files] == [HISTORY, "journals/p00.jsonl"]
    assert deviations(folder, seal.root) == []


def test_a_run_of_which_a_backup_has_hard_links_is_as_it_was(folder: Path, tmp_path: Path) -> None:
    seal = seal_run(folder)
    shutil.copytree(folder, tmp_path / "backup", copy_function=os.link)
    assert deviations(folder, seal.root) == deviations(tmp_path / "backup", seal.root) == []
    assert seal_run(folder) == seal


def test_a_folder_without_a_seal_is_not_sealed(folder: Path) -> None:
    [problem] = deviations(folder)
    assert "is not sealed" in problem


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_a_signature_names_its_signer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: PrivateFormat
) -> None:
    mine, other = key_file(tmp_path / "key", form), key_file(tmp_path / "other")
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "key"))
    assert seal_run(folder).signer == mine
    assert parse_public_key(str(tmp_path / "key.pub")) == mine == parse_public_key(mine)
    assert deviations(folder, signer=mine) == []
    assert deviations(folder, signer=other) == [f"the run is signed by {mine}, not by {other}"]
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "other"))
    (folder / HISTORY).write_text("forged")
    seal_run(folder)
    assert deviations(folder, signer=mine) == [f"the run is signed by {other}, not by {mine}"]
    monkeypatch.delenv(SIGNING_KEY)
    seal_run(folder)
    assert deviations(folder, signer=mine) == [f"the run is signed by nobody, not by {mine}"]


def test_a_forged_entry_breaks_the_signature(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file(tmp_path / "key")
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "key"))
    (folder / "report.html").write_text("report")
    seal = seal_run(folder)
    (folder / "report.html").write_text("forged")
    forged = Seal.of(seal_run(folder).files + seal_run(folder).derived)
    forged = Seal(1, forged.root, forged.files, forged.derived, seal.signer, seal.signature)
    (folder / SEAL).write_text(forged.text())
    assert deviations(folder) == ["seal.json has a wrong signature: somebody else changed it"]
    with pytest.raises(InputError, match="has a wrong signature"), RunDirectory(folder).deriving("report.html"):
        pass


def test_a_derived_file_that_is_written_again_is_sealed_again_under_the_same_root(folder: Path) -> None:
    before = seal_run(folder)
    (folder / "journals" / "p00.jsonl").write_text("forged meanwhile")
    RunDirectory(folder).write_json("chaos.json", {})
    after = sealed(folder)
    assert after.root == before.root and [file.path for file in after.derived] == ["chaos.json"]
    assert deviations(folder) == ["journals/p00.jsonl was changed after the run was sealed"]


def test_a_signed_run_is_changed_with_its_key_only(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = key_file(tmp_path / "key")
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "key"))
    seal_run(folder)
    RunDirectory(folder).write_json("chaos.json", {})
    assert deviations(folder, signer=mine) == []
    monkeypatch.delenv(SIGNING_KEY)
    with pytest.raises(InputError, match="is signed by"):
        RunDirectory(folder).write_json("chaos.json", {"more": 1})
    assert deviations(folder, signer=mine) == []


def test_a_run_of_somebody_else_is_never_signed_by_the_way(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_run(folder)
    key_file(tmp_path / "key")
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "key"))
    RunDirectory(folder).write_json("chaos.json", {})
    assert sealed(folder).signer is None


@pytest.mark.parametrize("text", ["no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_a_run_does_not_begin_without_the_key_that_is_to_sign_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(SIGNING_KEY, str(tmp_path / "key"))
    with pytest.raises(InputError, match="cannot be read"):
        RunDirectory.create(tmp_path / "runs", "name")
    write_private(tmp_path / "key", text)
    with pytest.raises(InputError, match="ssh-keygen -t ed25519"):
        RunDirectory.create(tmp_path / "runs", "name")


@pytest.mark.parametrize("text", ["", "zz" * 32, "ssh-ed25519 AAAA", "ssh-rsa AAAA"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--signer: give an Ed25519 public key"):
        parse_public_key(text)


def test_a_run_is_in_progress_until_it_is_released(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "name")
    assert is_running(run.path)
    run.release()
    run.release()
    assert not is_running(run.path) and not list(run.path.iterdir())
    (run.path / RUNNING).touch()  # as a killed process leaves it
    assert not is_running(run.path)


def test_files_that_are_no_part_of_a_run_are_neither_sealed_nor_missed(folder: Path) -> None:
    for name in (RUNNING, "token", ".DS_Store", "journals/p00.sqlite-shm"):
        (folder / name).touch()
    (folder / "wallets").mkdir()
    (folder / "wallets" / "p00.json").touch()
    assert len(seal_run(folder).files) == 2
    assert deviations(folder) == ["token was left behind: it is secret, remove it"]


def test_links_pipes_and_deep_folders_are_named(folder: Path) -> None:
    seal_run(folder)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(HISTORY)
    (folder / "elsewhere").symlink_to("/tmp")
    (folder / "journals" / "deep").mkdir()
    problems = deviations(folder)
    assert len(problems) == 4 and all("is not read: " in problem for problem in problems)
    with pytest.raises(InputError, match="is not sealed: "):
        seal_run(folder)


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, "\xff", '{"version":1}'])
def test_a_seal_that_is_none_is_named(folder: Path, text: str) -> None:
    (folder / SEAL).write_bytes(text.encode("latin-1"))
    [problem] = deviations(folder)
    assert "is not a seal of this version" in problem
