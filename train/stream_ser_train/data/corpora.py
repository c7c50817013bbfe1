"""How published corpora say speaker and emotion in their file names, and what their emotions are called here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stream_ser.events import EMOTIONS


@dataclass(frozen=True, slots=True)
class Naming:
    """The file names of one corpus.

    ``pattern`` matches ``folder/file.wav`` and finds ``speaker`` and ``emotion``; ``words`` says what each code of an
    emotion stands for in the corpus's own words.
    """

    corpus: str
    pattern: re.Pattern[str]
    words: Mapping[str, str]

    def parse(self, name: str) -> tuple[str, str] | None:
        """Speaker and emotion, in the corpus's words, of a file; None if the name is not one of this corpus."""
        found = self.pattern.fullmatch(name)
        return None if found is None else (found["speaker"].upper(), self.words[found["emotion"].upper()])


def _naming(corpus: str, pattern: str, words: Mapping[str, str]) -> Naming:
    return Naming(corpus, re.compile(pattern + r"\.wav", re.IGNORECASE), words)


NAMINGS: tuple[Naming, ...] = (
    # Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391
    _naming(
        "ravdess",
        r"(?:.*/)?03-01-(?P<emotion>0[1-8])-0[12]-0[12]-0[12]-(?P<speaker>0[1-9]|1\d|2[0-4])",
        {f"{number:02}": emotion for number, emotion in enumerate(EMOTIONS, start=1)},
    ),
    # Burkhardt et al. 2005, doi:10.21437/Interspeech.2005-446; the letters are the German words'
    _naming(
        "emo-db",
        r"(?:.*/)?(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-f]?",
        {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"},
    ),
    # Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244
    _naming(
        "crema-d",
        r"(?:.*/)?(?P<speaker>1\d{3})_[A-Z]{3}_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?:LO|MD|HI|XX?)",
        {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"},
    ),
    # Pichora-Fuller and Dupuis 2020, doi:10.5683/SP2/E8H2MF; one published file says OA for OAF
    _naming(
        "tess",
        r"(?:.*/)?(?P<speaker>OA|YA)F?_[a-z]+_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)",
        {
            "ANGRY": "angry",
            "DISGUST": "disgust",
            "FEAR": "fear",
            "HAPPY": "happy",
            "NEUTRAL": "neutral",
            "PS": "pleasant surprise",
            "SAD": "sad",
        },
    ),
    # Haq and Jackson 2010, "Multimodal Emotion Recognition"; the speaker is the folder or a prefix
    _naming(
        "savee",
        r"(?:.*/)?(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>sa|su|a|d|f|h|n)\d\d",
        {
            "A": "anger",
            "D": "disgust",
            "F": "fear",
            "H": "happiness",
            "N": "neutral",
            "SA": "sadness",
            "SU": "surprise",
        },
    ),
)

_WORDS: dict[str, str] = {
    **{emotion: emotion for emotion in EMOTIONS},
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "pleasant surprise": "surprised",
}


def emotion_called(word: str) -> int | None:
    """Index into :data:`stream_ser.events.EMOTIONS` of a corpus's word; None for a word that none of ours stands for."""
    emotion = _WORDS.get(word.strip().lower())
    return None if emotion is None else EMOTIONS.index(emotion)
