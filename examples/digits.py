"""Train, sample, score: a nano DiG learns the embedded digits, in under three minutes on two cores.

    python examples/digits.py --out demo-results/digits

What comes out looks like handwriting rather than like digits; `dig-bench parity` trains for longer, on a GPU. FD-digits
of a fresh network, which draws noise, is above 400.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from dig_bench.fid.features import extractor
from dig_bench.fid.scores import Scores, score
from dig_bench.parity.contenders import parse
from dig_bench.parity.training import Budget, train
from dig_bench.sample.images import save_grid, save_npz, to_uint8
from dig_bench.sample.run import Request, sample
from dig_bench.sample.samplers import Sampling
from dig_bench.train import checkpoint, data
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import embedded

MODEL = "DiG-N/4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("demo-results/digits"))
    options = parser.parse_args()
    found = run(options.out, steps=options.steps, samples=options.samples)
    print(f"{found.metric} {found.distance:.1f}, precision {found.precision:.2f}, recall {found.recall:.2f}")


def run(folder: Path, *, steps: int, samples: int) -> Scores:
    """Writes last.safetensors, samples.npz, grid.png and scores.json into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (contender,) = parse([MODEL], "cpu")
    digits = data.digits()
    begin = perf_counter()
    budget = Budget(steps=steps, batch_size=16, learning_rate=3e-3, ema_decay=0.99)
    trained = train(contender, digits, budget, seed=0, device="cpu")
    print(f"trained {steps} steps in {perf_counter() - begin:.0f} s: loss {trained.losses[0]:.3f}", end=" to ")
    print(f"{sum(trained.losses[-50:]) / len(trained.losses[-50:]):.3f}")

    weights = trained.model.state_dict()
    about = {"model": MODEL, "data": "digits", "image_size": embedded.SIDE_PX, "num_classes": embedded.NUM_CLASSES}
    saved = Checkpoint(**about, step=steps, weights=weights, averages=weights)
    checkpoint.save(saved, folder / "last.safetensors")

    labels = [number % embedded.NUM_CLASSES for number in range(samples)]
    sampling = Sampling(sampler="ddim", steps=20, clip=True)
    drawn = sample(
        checkpoint.load(folder / "last.safetensors"), Request(labels=labels, sampling=sampling), device="cpu"
    )
    assert drawn is not None
    save_npz(folder / "samples.npz", drawn.images, labels)
    save_grid(folder / "grid.png", drawn.images[:100], columns=10)
    print(f"drew {samples} images in {samples / drawn.images_per_s:.0f} s: {folder / 'grid.png'}")

    extract = extractor("digits")
    found = score(extract(to_uint8(digits.images)), extract(drawn.images), metric=extract.metric, resamples=100)
    (folder / "scores.json").write_text(json.dumps(asdict(found), indent=2) + "\n")
    return found


if __name__ == "__main__":
    main()
