"""What a user names instead of a file: a pipe nobody writes to, an endless device, a folder, a file without end."""

import os
from pathlib import Path

import pytest

from learnae.errors import InputError
from learnae.input_file import input_lines, read_input, read_utf8


def test_a_file_is_read_through_links_and_without_its_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbftext")
    (tmp_path / "link").symlink_to("file")
    assert read_utf8(tmp_path / "link") == "text"
    assert read_input(tmp_path / "file", 7) == b"\xef\xbb\xbftext"


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="is a pipe, a device or a socket"):
            read_input(path)


def test_a_folder_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_input(tmp_path)


def test_no_more_is_read_than_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0" * 2049)
    with pytest.raises(InputError, match="has more than 2 KiB"):
        read_input(tmp_path / "file", 2048)


def test_lines_are_read_one_at_a_time_and_no_further_than_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one\n\xff\nrest")
    assert list(input_lines(tmp_path / "file", 10)) == ["one\n", "\N{REPLACEMENT CHARACTER}\n", "rest"]
    lines = input_lines(tmp_path / "file", 9)
    assert [next(lines), next(lines)] == ["one\n", "\N{REPLACEMENT CHARACTER}\n"]
    with pytest.raises(InputError, match="has more than 0 KiB"):
        next(lines)
