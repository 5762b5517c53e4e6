"""What the process that works on one file does (``media.worker``): it encodes, or decodes. Loads FFmpeg."""

from __future__ import annotations

from collections.abc import Callable

from controller.media import decode, encode, pipe, wav
from controller.media.job import Job, parse


def do(line: bytes, answer: pipe.Answer, confine: Callable[[], None] = decode.confine) -> dict[str, object]:
    """Do a job and say what came of it, and ``answer`` meanwhile how far it is. Never raises an Exception.

    Audio that comes from elsewhere is decoded once this process is ``confine``d.
    """

    def progress(frames: int) -> None:
        answer({"frames": frames})

    try:
        job = parse(line)
        if isinstance(job, Job):
            return {"size": encode.encode(job, progress)}
        return {"size": decode.decode(job, progress, confine)}
    except decode.Undecodable as error:
        return {"failed": str(error)[:500], "fault": "source"}
    except wav.ReadError as error:
        return pipe.failed("source", error)
    except OSError as error:
        return pipe.failed("target", error)
    except Exception as error:
        return pipe.failed("encoder", error)
