"""How published corpora encode speaker and emotion in their file names, and which of our emotions each of theirs is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stream_ser_train.data.emotions import EMOTIONS


@dataclass(frozen=True, slots=True)
class NamingScheme:
    """The file names of one corpus.

    ``pattern`` matches ``folder/file.wav`` and captures ``speaker`` and ``emotion``; ``labels`` maps each code of an
    emotion to the corpus's own name of it.
    """

    corpus: str
    pattern: re.Pattern[str]
    labels: Mapping[str, str]

    def parse(self, name: str) -> tuple[str, str] | None:
        """Speaker and emotion, as the corpus names it, of a file; None if the file is not of this corpus."""
        found = self.pattern.fullmatch(name)
        return None if found is None else (found["speaker"].upper(), self.labels[found["emotion"].upper()])


def _scheme(corpus: str, pattern: str, labels: Mapping[str, str]) -> NamingScheme:
    return NamingScheme(corpus, re.compile(pattern + r"\.wav", re.IGNORECASE), labels)


NAMING_SCHEMES: tuple[NamingScheme, ...] = (
    # Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391
    _scheme(
        "ravdess",
        r"(?:.*/)?03-01-(?P<emotion>0[1-8])-0[12]-0[12]-0[12]-(?P<speaker>0[1-9]|1\d|2[0-4])",
        {f"{number:02}": emotion for number, emotion in enumerate(EMOTIONS, start=1)},
    ),
    # Burkhardt et al. 2005, doi:10.21437/Interspeech.2005-446; the letters are the German words'
    _scheme(
        "emo-db",
        r"(?:.*/)?(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-f]?",
        {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"},
    ),
    # Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244
    _scheme(
        "crema-d",
        r"(?:.*/)?(?P<speaker>1\d{3})_[A-Z]{3}_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?:LO|MD|HI|XX?)",
        {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"},
    ),
    # Pichora-Fuller and Dupuis 2020, doi:10.5683/SP2/E8H2MF; one published file says OA for OAF
    _scheme(
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
    _scheme(
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

_SYNONYMS: dict[str, str] = {
    **{emotion: emotion for emotion in EMOTIONS},
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "pleasant surprise": "surprised",
}


def emotion_index(label: str) -> int | None:
    """Index into :data:`stream_ser_train.data.emotions.EMOTIONS` of a corpus's label; None where none of ours is the same."""
    emotion = _SYNONYMS.get(label.strip().lower())
    return None if emotion is None else EMOTIONS.index(emotion)
