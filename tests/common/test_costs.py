"""What a picture costs to decode is bounded, whatever its few bytes ask for."""

import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tests.common.corpus import draw, encode
from utils.common.pictures import PictureError, read_picture
from utils.common.reading import bounds
from utils.common.reading.containers import gif, jpeg, png, tiff
from utils.common.reading.decoders import open_picture
from utils.common.reading.isolation import clock, process, turns


def refusal(content: bytes, **options: int) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(content, **options)
    assert caught.value.reason == "too large"
    return caught.value.detail


def segment(mark: int, body: bytes) -> bytes:
    return bytes((0xFF, mark)) + struct.pack(">H", len(body) + 2) + body


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def greedy_exif(entries: int, each: int) -> bytes:
    """Return EXIF data of which every entry claims the same bytes."""
    table = b"".join(struct.pack("<HHII", i + 1, 7, each, 8) for i in range(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + table + bytes(4 + each)


class TestJpeg:
    @staticmethod
    def with_scans(count: int) -> bytes:
        """Repeat the last scan of a progressive picture, which only adds what is there."""
        whole = encode(Image.new("L", (64, 64), 9), "JPEG", progressive=True)
        scan = whole[whole.rindex(b"\xff\xda") : -2]
        return whole[:-2] + scan * (count - whole.count(b"\xff\xda")) + b"\xff\xd9"

    def test_scans_are_counted_before_any_is_decoded(self) -> None:
        assert jpeg.check_jpeg(self.with_scans(jpeg.MAX_SCANS))
        detail = refusal(self.with_scans(jpeg.MAX_SCANS + 1))
        assert detail == "more than 100 scans over all pixels"

    def test_what_looks_like_scans_behind_the_end_does_not_count(self) -> None:
        content = self.with_scans(20) + b"\xff\xda\0\x08" * 500
        assert jpeg.check_jpeg(content) == content

    def test_segments_are_counted(self) -> None:
        whole = encode(draw(0), "JPEG")
        bomb = whole[:2] + segment(0xFE, b"") * jpeg.MAX_SEGMENTS + whole[2:]
        assert refusal(bomb) == "more than 10,000 segments before its pixels"

    @pytest.mark.parametrize("last", [b"\0", b"\xd0"])
    def test_bytes_that_fill_up_are_looked_at_once(self, last: bytes) -> None:
        whole = encode(draw(0), "JPEG", progressive=True)
        fill = b"\xff" * 1_000_000 + last  # minutes, if each were taken for a new start
        assert jpeg.check_jpeg(whole[:2] + fill + whole[2:])
        assert jpeg.check_jpeg(whole[:-2] + fill + whole[-2:])
        assert list(jpeg.mend_jpeg(whole[:-2] + fill + whole[-2:]))

    def test_bytes_between_segments_are_counted(self) -> None:
        whole = encode(draw(0), "JPEG")
        fill = b"\xff" * (jpeg.MAX_FILL_BYTES + 1)
        assert refusal(whole[:2] + fill + whole[2:]) == "1,048,577 bytes between its segments"

    def test_exif_that_claims_its_bytes_again_and_again(self) -> None:
        whole = encode(draw(0), "JPEG")
        body = b"Exif\0\0" + greedy_exif(2500, 35_000)
        bomb = whole[:2] + segment(0xE1, body) + whole[2:]
        assert refusal(bomb) == "EXIF entries of 87,500,000 bytes"
        assert refusal(whole[:2] + segment(0xE2, b"MPF\0" + body[6:]) + whole[2:])

    def test_exif_in_very_many_segments(self) -> None:
        whole = encode(draw(0), "JPEG")
        bomb = whole[:2] + segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 300 + whole[2:]
        assert refusal(bomb) == "EXIF data of 18,000,000 bytes"


class TestOtherFormats:
    def test_chunks_and_metadata_of_a_png(self) -> None:
        whole = encode(draw(0), "PNG")
        head, rest = whole[:33], whole[33:]
        assert refusal(head + chunk(b"teSt", b"") * png.MAX_CHUNKS + rest) == (
            "more than 200,000 chunks"
        )
        assert refusal(head + chunk(b"eXIf", greedy_exif(2500, 35_000)) + rest) == (
            "EXIF entries of 87,500,000 bytes"
        )
        text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))
        assert png.check_png(head + text * 100 + rest) == whole

    def test_blocks_and_comments_of_a_gif(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = encode(draw(0, 16, 16), "GIF")
        place = whole.index(b"\x2c")
        comment = b"\x21\xfe" + (b"\xff" + bytes(255)) * 70_000 + b"\0"
        assert refusal(whole[:place] + comment + whole[place:]) == (
            "an extension of 17,920,000 bytes"
        )
        monkeypatch.setattr(gif, "MAX_BLOCKS", 50_000)
        assert refusal(whole[:place] + comment + whole[place:]) == "more than 50,000 blocks"

    def test_pages_of_a_tiff_are_counted_to_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pages = [draw(0, 16, 16)] * 5
        content = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        assert tiff.count_pages(content) == 5
        monkeypatch.setattr(tiff, "MAX_PAGES", 3)
        assert tiff.count_pages(content) == 3

    @pytest.mark.parametrize(
        ("tile", "components", "detail"),
        [
            ((14_000, 14_000), 3, "2,940,000,000 bytes for one tile, limit 1,600,000,000"),
            ((64, 64), 3, "47,961 tiles, limit 20,000"),
        ],
    )
    def test_tiles_of_a_jpeg_2000(
        self, tile: tuple[int, int], components: int, detail: str
    ) -> None:
        content = bytearray(encode(draw(0), "JPEG2000", no_jp2=True))
        struct.pack_into(">8IH", content, 8, 14_000, 14_000, 0, 0, *tile, 0, 0, components)
        assert refusal(bytes(content)) == detail

    def test_memory_is_bounded_by_the_header(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "MAX_PIXELS", 4_000_000)
        layered = encode(Image.new("RGBA", (2000, 2000)), "WEBP", lossless=True)
        assert refusal(layered, max_pixels=4_000_000) == (
            "decoding takes 80,000,000 bytes, limit 32,000,000"
        )
        assert read_picture(layered, max_pixels=10_000_000)[0].size == (2000, 2000)


def test_colours_of_16_bit_take_their_bytes_twice() -> None:
    def png(depth: int) -> Image.Image:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 14_000, 14_000, depth, 2, 0, 0, 0))
        return open_picture(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b""))

    assert bounds.check_memory(png(8), 256, 2 * 10**8) == 14_000**2 * 4
    assert bounds.check_memory(png(16), 256, 2 * 10**8) == 14_000**2 * 8


class TestAnotherProcess:
    """Decoders whose work no header bounds run there."""

    CONTENT = encode(draw(1), "TIFF", compression="tiff_lzw")

    def test_it_is_kept_and_started_anew_when_it_died_in_between(self) -> None:
        read_picture(self.CONTENT)
        first = process._child
        read_picture(self.CONTENT)
        assert process._child is first
        assert first
        first._process.kill()
        first._process.wait()
        assert read_picture(self.CONTENT)[0].size == (320, 240)
        assert process._child is not first

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signals")
    @pytest.mark.parametrize(
        ("name", "reason"), [("SIGSEGV", "damaged"), ("SIGKILL", "unreadable")]
    )
    def test_a_decoder_that_dies_of_a_picture_is_told_from_one_that_is_killed(
        self, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
    ) -> None:
        read_picture(self.CONTENT)
        child = process._child
        assert child
        number = getattr(signal, name)
        monkeypatch.setattr(child, "_send", lambda _: child._process.send_signal(number))
        with pytest.raises(PictureError) as caught:
            read_picture(self.CONTENT)
        assert caught.value.reason == reason
        assert f"(exit code {-number})" in caught.value.detail
        assert read_picture(self.CONTENT)[0].size == (320, 240)

    def test_a_stuck_decoder_is_ended(self) -> None:
        code = [
            "import sys, time; from utils.common.reading.isolation import clock",
            "clock.is_running = True; clock.start(0.1)",
            "while True: pass",
        ]
        done = subprocess.run([sys.executable, "-c", "\n".join(code)], capture_output=True)
        assert done.returncode == process.TIMED_OUT
        assert b"Timeout" in done.stderr

    @pytest.mark.parametrize(
        ("code", "base_s", "told"),
        [
            (process.TIMED_OUT, -1.0, ("too slow", "not decoded in 0 seconds")),
            (process.TIMED_OUT, 20.0, ("damaged", "the decoder crashed (exit code 1)")),
            (-11, 20.0, ("damaged", "the decoder crashed (exit code -11)")),
            (-9, 20.0, ("unreadable", "the decoder was ended from outside (exit code -9)")),
            (-15, 20.0, ("unreadable", "the decoder was ended from outside (exit code -15)")),
        ],
    )
    def test_what_ended_one_is_told_by_its_exit_code(
        self, monkeypatch: pytest.MonkeyPatch, code: int, base_s: float, told: tuple[str, str]
    ) -> None:
        class Ended:
            has_ended = False

            def read(self, *_: object) -> None:
                raise EOFError

            def end(self) -> int:
                return code

        monkeypatch.setattr(process, "_child", Ended())
        monkeypatch.setattr(clock, "BASE_S", base_s)
        with pytest.raises(PictureError) as caught:
            read_picture(self.CONTENT)
        assert caught.value.args == told

    def test_no_decoder_to_start_is_no_fault_of_the_picture(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process._stop()
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(PictureError) as caught:
            read_picture(self.CONTENT)
        assert caught.value.reason == "unreadable"

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no process")
    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_a_forked_process_starts_its_own(self) -> None:
        read_picture(self.CONTENT)
        before = process._child
        pid = os.fork()
        if not pid:
            whole = process._child is None and read_picture(self.CONTENT)[0].size == (320, 240)
            process._stop()
            os._exit(0 if whole else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert process._child is before
        assert read_picture(self.CONTENT)[0].size == (320, 240)

    def test_decoders_in_python_run_there(self) -> None:
        assert bounds.has_slow_decoder(Image.open(io.BytesIO(b"P3 2 2 255\n" + b"7 " * 12)))
        assert not bounds.has_slow_decoder(Image.open(io.BytesIO(b"P6 2 2 255\n" + bytes(12))))
        assert read_picture(b"P3 2 2 255\n" + b"7 " * 12)[0].getpixel((0, 0)) == (7, 7, 7)

    def test_it_gives_the_pixels_that_this_process_would(self) -> None:
        from utils.common.pictures import _read

        here, there = _read(self.CONTENT, 100, 10**6), read_picture(self.CONTENT, 100)
        assert here[0].tobytes() == there[0].tobytes()
        assert here[1] == there[1]


class TestTurns:
    def test_large_pictures_wait_for_each_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.setattr(turns, "PATIENCE_S", 0)
        acquired = []
        with turns.one_at_a_time(turns.LARGE_BYTES + 1):
            lock = turns.FileLock(next(tmp_path.iterdir()))
            with pytest.raises(turns.Timeout):
                lock.acquire(timeout=0)
            with turns.one_at_a_time(turns.LARGE_BYTES):
                acquired.append("a small one")
            with turns.one_at_a_time(turns.LARGE_BYTES + 1):
                acquired.append("one whose patience is over")
        lock.acquire(timeout=0)
        lock.release()
        assert len(acquired) == 2

    def test_without_a_place_for_the_lock_it_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
        with turns.one_at_a_time(turns.LARGE_BYTES + 1):
            pass
