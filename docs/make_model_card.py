"""Writes docs/model-card.md from the bundled models and the result files.

Run from the root of the repository: python docs/make_model_card.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stream_ser_train.data.emotions import EMOTIONS

from stream_ser.models.bundle import BUNDLED, MODELS, Metadata, decode_metadata
from stream_ser.models.runtime import ort

DOCS = Path(__file__).parent
RESULTS = DOCS / "results"
PAGE = DOCS / "model-card.md"


def page() -> str:
    """The whole card, with a section for each protocol that has results."""
    bundles = {name: _metadata(name) for name in MODELS}
    measured = {
        "speaker-independent": _scores,
        "random": _random,
        "streaming": _streaming,
        "robustness": _robustness,
        "non-speech": _confidence,
    }
    tables = [section() for name, section in measured.items() if (RESULTS / f"{name}.json").exists()]
    return "\n".join([_models(bundles), _use(), _data(bundles), *tables, _limits()])


def _metadata(name: str) -> Metadata:
    file = BUNDLED / f"{name}.onnx"
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return decode_metadata(session.get_modelmeta().custom_metadata_map, file)


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _head(*cells: str) -> list[str]:
    return [_row(*cells), "|---" * len(cells) + "|"]


def _section(title: str, text: list[str], head: tuple[str, ...], rows: list[str]) -> list[str]:
    return [f"## {title}", "", *text, "", *_head(*head), *rows, ""]


def _models(bundles: dict[str, Metadata]) -> str:
    lines = [
        "# Model card",
        "",
        "<!-- Written by docs/make_model_card.py from the bundled models and docs/results; edit those. -->",
        "",
        "Two networks that read the MFCCs of up to three seconds of speech and give the probability of each of eight",
        f"emotions ({', '.join(EMOTIONS)}); the daemon uses their geometric mean, sharpened",
        f"by a temperature of {bundles['lstm'].fusion_temperature:g}, because the two make different errors.",
        "",
        *_head("bundle", "size", "network", "epochs", "temperature", "version"),
    ]
    for name, bundle in bundles.items():
        network, fits = bundle.training["recipe"]["network"], bundle.training["recipe"]["fits"]
        members = network["members"] * len(fits)
        size = (BUNDLED / f"{name}.onnx").stat().st_size / 1e6
        units = network["units"] if isinstance(network["units"], int) else "-".join(map(str, network["units"]))
        lines.append(
            _row(
                f"{name}.onnx", f"{size:.1f} MB", f"{members} members of {units} units", " and ".join(str(fit["epochs"]) for fit in fits),
                f"{bundle.training['recipe']['temperature']:.2f}", bundle.version,
            )
        )  # fmt: skip
    features = bundles["lstm"].features
    return "\n".join(
        [
            *lines,
            "",
            f"Features: {features.coefficients} MFCCs of {features.filters} mel filters, frames of"
            f" {1000 * features.frame_length / features.sample_rate:.0f} ms every"
            f" {1000 * features.frame_step / features.sample_rate:.0f} ms at {features.sample_rate} Hz. Normalisation, dynamics, statistics",
            "and temperature are inside the graphs. lstm-step.onnx is the LSTM once more, as a recurrence for live use: over an utterance of at",
            "most three seconds its output is that of lstm.onnx; of a longer one it forgets gradually, and stands for about the last three.",
            "Made by `stream-ser train --out stream_ser/models/bundled`.",
            "",
        ]
    )


def _use() -> str:
    return """## Intended use

For overlays, avatars, games, art, logging in research that knows the figures below, and for experiments.

Not for judging people: hiring, policing, lie detection, insurance, schooling, health or any decision about somebody.
The models have learnt how 24 actors play emotions, not what a person feels. Not for people who did not agree to be
analysed; in some places, such as workplaces and schools in the European Union, emotion recognition is forbidden by law.
"""


def _data(bundles: dict[str, Metadata]) -> str:
    corpus = bundles["lstm"].training["corpus"]
    return f"""## Data and licence

The {corpus["clips"]} speech clips of RAVDESS (Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391): {corpus["speakers"]} North
American actors, half of them women, two sentences, eight emotions, neutral half as often as the others. No other
data and no pre-trained network. The set is CC BY-NC-SA 4.0, and so are these models: not for commercial use.
"""


def _scores() -> str:
    result = _read("speaker-independent")
    on_fold_0 = ", ".join(f"{name} {_percent(result['models'][name]['uar']['per_fold'][0])} %" for name in (*MODELS, "fused"))
    lines = [
        "## Actors held out of training",
        "",
        f"Five folds by actor, {len(result['seeds'])} seeds, retrained for each: no clip of a tested actor has part in training,",
        "normalisation, augmentation or temperature. The recipe itself was found on held-out actors of folds 1 to 4 with fold 0 left",
        "out, its first ancestor on folds 0 and 1; the dropout of the MLP, who talks in the background, how long both train, how many",
        "clips they get unaltered, the LSTM's weight decay and how many of its windows end early, by the mean of all inner splits; how",
        "the frames of the MLP's second fit are altered, by three of these and three random splits that are not those reported. So all",
        f"figures are a little too high, fold 0 least: {on_fold_0}.",
        "UAR is the mean recall of the eight emotions; guessing gives 12.5 %. ECE is the expected calibration error in 15 bins.",
        "Each model is several members in one graph, half of them from each of two fits; probabilities assume that all emotions are equally",
        "frequent.",
        "",
        *_head("model", "UAR %", "± over seeds", "accuracy %", "ECE", *EMOTIONS),
    ]
    for name, model in result["models"].items():
        recall = (f"{100 * model['recall'][emotion]:.0f}" for emotion in EMOTIONS)
        lines.append(
            _row(
                name, f"**{_percent(model['uar']['mean'])}**", _percent(model["uar"]["std"]),
                _percent(model["accuracy"]["mean"]), f"{model['ece']:.3f}", *recall,
            )
        )  # fmt: skip
    return "\n".join(
        [
            *lines,
            "",
            "The two `original` rows are the recipe that this project started from, on the same folds. Human listeners reach 62.4 %",
            "with seven choices (Livingstone and Russo 2018). Confusions: [results/speaker-independent.md](results/speaker-independent.md).",
            "",
        ]
    )


def _random() -> str:
    models = _read("random")["models"]
    rows = [_row(name, _percent(model["uar"]["mean"]), _percent(model["accuracy"]["mean"])) for name, model in models.items()]
    text = [
        "Random splits by clip, 80 to 20, as many publications report. The same voices are on both sides; the figures say",
        "little about a new voice.",
    ]
    return "\n".join(_section("Voices of the training data (leaky)", text, ("model", "UAR %", "accuracy %"), rows))


def _streaming() -> str:
    result = _read("streaming")
    rows = [_row(f"{point['seconds']:g} s", _percent(point["uar"])) for point in result["curve"]]
    text = [
        "The same folds through the daemon's recogniser, clip by clip in chunks of 20 ms, with voice activity, windows and smoothing.",
        f"The final label's UAR is {_percent(result['streaming_uar'])} %, offline {_percent(result['offline_uar'])} %. No label is sent before a quarter",
        "of a second of speech and its hop are over.",
    ]
    by_window = ", ".join(f"{_percent(one['uar'])} ({one['seconds']:g} s)" for one in result["windows"])
    text.append(f"By the window that a label is computed from: {by_window}.")
    picture = ["![UAR against seconds of speech](results/streaming.png)", ""]
    return "\n".join(_section("Live", text, ("after", "UAR %"), rows) + picture)


def _robustness() -> str:
    conditions = _read("robustness")["conditions"]
    clean = conditions["clean"]["uar"]
    rows = [
        _row(
            name, _percent(found["uar"]), f"{100 * (found['uar'] - clean):+.1f}", *(_percent(found[model]) for model in MODELS)
        )
        for name, found in conditions.items()
    ]
    text = ["The same folds, every clip altered before the voice activity detector. Noise at a ratio of mean power."]
    return "\n".join(_section("In rooms and channels", text, ("condition", "fused UAR %", "against clean", *MODELS), rows))


def _confidence() -> str:
    signals = _read("non-speech")["signals"]
    minutes = next(iter(signals.values()))["minutes"]
    uncertain = _read("speaker-independent")["uncertain"]
    labels = sum(signal["emotion_messages"] for signal in signals.values())
    return f"""## Confidence, and no speech

A confidence states how often such a label is right ([reliability](results/speaker-independent-reliability.png)). Below
{uncertain["threshold"]:g} the label is `uncertain`: on inner held-out speakers {_percent(uncertain["coverage"])} % of the clips keep their label, of
which {_percent(uncertain["risk"])} % are wrong; of the withheld labels, {_percent(uncertain["risk_withheld"])} %
([risk against coverage](results/speaker-independent-risk.png)). The temperatures of the evaluated models were found on two inner
folds each; those of the bundles are the means over the five test folds.

{minutes:g} minutes each of {", ".join(signals)}, at four levels, got {labels} labels.
"""


def _limits() -> str:
    recall = _read("speaker-independent")["models"]["fused"]["recall"]
    hardest = min(recall, key=recall.__getitem__)
    return f"""## Limits

The tables are measured on acted speech in a studio, two sentences of North American English. On other languages and on spontaneous
speech labels are close to a guess, and ordinary talk is called an emotion
([figures](explanation/recognition.md#other-voices)); children and old voices were not measured. Hardest is {hardest} ({_percent(recall[hardest])} % recognised); listeners find happy
and sad hardest (36.6 and 47.9 %; Livingstone and Russo 2018). The voice activity detector finds
no speech in a few shouted clips; they get no label, and count as wrong above.
"""


if __name__ == "__main__":
    PAGE.write_text(page())
