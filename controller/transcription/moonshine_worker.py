"""The process that transcribes one file: ``python -m controller.transcription.moonshine_worker``.

Its answers (``media.pipe``) are ``{"said": text}`` for each thing said, in the order of time, ``{"heard": seconds}``
while it gets on, then ``{"size": characters}`` or ``{"failed": why, "fault": "source" | "engine"}``. Each channel is
transcribed apart and what is said on both is put in order: of two parties who speak at once, mixed, neither is
understood.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from controller.media import pipe, wav
from controller.media.wav import Wav
from controller.transcription.job import parse
from controller.transcription.stretches import Samples, channel_of, stretches

NICENESS = 10
"""Calls come first, where a switch is on the same machine."""
MODEL = "tiny-en"
OPTIONS = {"return_audio_data": "false", "identify_speakers": "false", "word_timestamps": "false"}
LONGEST = 4000
"""Characters of one thing said: the engine's segments have 15 s, in which nobody says so much."""

Line = tuple[float, str]
"""Seconds from the recording's beginning, and what is said there."""
Hear = Callable[[Samples, int], list[Line]]
"""Makes lines of samples at a rate, timed from the first sample."""


def main() -> None:
    """Do the job on standard input, and end."""
    os.nice(NICENESS)
    sink = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the engine's library writes to standard output as it likes
    pipe.serve(0, sink, os._exit, lambda line, answer: work(line, answer, load))


def load() -> Hear:
    """Load the engine and its model, a third of a second's work. Raises ImportError, and what the engine raises."""
    os.environ["MOONSHINE_ORT_SINGLE_THREAD"] = "1"  # read by its library: as many threads as processors otherwise
    from moonshine_voice import ModelArch, get_model_path  # noqa: PLC0415 - an extra, and only this process loads it
    from moonshine_voice.transcriber import Transcriber  # noqa: PLC0415

    engine = Transcriber(str(get_model_path(MODEL)), ModelArch.TINY, options=OPTIONS)

    def hear(samples: Samples, rate: int) -> list[Line]:
        transcript: Any = engine.transcribe_without_streaming(samples.tolist(), rate)
        return [(float(line.start_time), str(line.text)) for line in transcript.lines]

    return hear


def work(line: bytes, answer: pipe.Answer, load: Callable[[], Hear]) -> dict[str, object]:
    """Do a job and say what came of it. Never raises an Exception."""
    try:
        with ExitStack() as stack:
            descriptor = stack.enter_context(wav.opened(Path(parse(line).source)))
            return {"size": transcribe(descriptor, wav.measure(descriptor), load(), answer)}
    except (OSError, wav.WavError) as error:
        return pipe.failed("source", error)
    except Exception as error:
        return pipe.failed("engine", error)


def transcribe(descriptor: int, form: Wav, hear: Hear, answer: pipe.Answer) -> int:
    """Say what is said in an open file; return the characters of it all."""
    heard = [0.0] * form.channels

    def lines(channel: int) -> Iterator[Line]:
        for first, samples in stretches(form, channel_of(descriptor, form, channel)):
            begin = first / form.rate
            yield from sorted((begin + at, text) for at, text in hear(samples, form.rate))
            heard[channel] = begin + len(samples) / form.rate
            answer({"heard": min(heard)})

    size = 0
    for _, text in heapq.merge(*(lines(channel) for channel in range(form.channels)), key=_begin):
        answer({"said": text[:LONGEST]})
        size += len(text)
    return size


def _begin(line: Line) -> float:
    return line[0]


if __name__ == "__main__":
    main()
