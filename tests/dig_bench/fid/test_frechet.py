"""The Fréchet distance against closed forms and other implementations, its intervals and limits."""

import numpy as np
import pytest
from scipy import linalg

from dig_bench.fid.diversity import inception_score, precision_recall
from dig_bench.fid.frechet import Moments, frechet_distance
from dig_bench.fid.resampling import at_infinity, bootstrap


def features(count: int, width: int, *, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Returns correlated features, with the same mixing matrix for all seeds."""
    mixing = np.random.default_rng(99).normal(size=(width, width)) / width**0.5
    return scale * np.random.default_rng(seed).normal(size=(count, width)) @ mixing + shift


def distance(real: np.ndarray, fake: np.ndarray) -> float:
    return frechet_distance(Moments.of(real), Moments.of(fake))


def by_root_of_the_product(real: np.ndarray, fake: np.ndarray) -> float:
    """Computes the distance as the first implementations of FID did."""
    covariances = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    gap = real.mean(axis=0) - fake.mean(axis=0)
    return float(gap @ gap + sum(map(np.trace, covariances)) - 2 * np.trace(root).real)


def test_it_equals_the_closed_form_for_diagonal_covariances() -> None:
    real = Moments(mean=np.zeros(3), covariance=np.diag([1.0, 4.0, 9.0]), count=10)
    fake = Moments(mean=np.array([1.0, 0, 2]), covariance=np.diag([4.0, 4.0, 0.0]), count=10)
    assert frechet_distance(real, fake) == pytest.approx(5 + (1 - 2) ** 2 + 0 + 3**2, rel=1e-12)


@pytest.mark.parametrize(("count", "width"), [(300, 8), (500, 64)])
def test_it_agrees_with_the_root_of_the_product(count: int, width: int) -> None:
    real, fake = features(count, width, seed=1), features(count, width, seed=2, shift=0.3, scale=1.2)
    assert distance(real, fake) == pytest.approx(by_root_of_the_product(real, fake), rel=1e-9)


def test_it_agrees_with_torchmetrics() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    torch = pytest.importorskip("torch")
    real, fake = features(500, 32, seed=1), features(400, 32, seed=2, shift=0.2)
    sides = [torch.from_numpy(side) for side in (real, fake)]
    theirs = fid._compute_fid(sides[0].mean(0), sides[0].T.cov(), sides[1].mean(0), sides[1].T.cov())
    assert distance(real, fake) == pytest.approx(float(theirs), abs=1e-3)


@pytest.mark.parametrize("count", [2, 10, 63])
def test_fewer_images_than_features_leave_it_exact(count: int) -> None:
    """The covariances of scaled copies commute, and their distance is tr(C) (s - 1)**2 for any rank."""
    real = features(count, 64, seed=1)
    centred = real - real.mean(axis=0)
    expected = np.trace(np.cov(real, rowvar=False)) * 0.25
    assert distance(centred, 1.5 * centred) == pytest.approx(expected, rel=1e-9)
    assert distance(real, real) == pytest.approx(0, abs=1e-9 * expected)


def test_constant_features_do_not_change_the_distance() -> None:
    real, fake = features(100, 8, seed=1), features(100, 8, seed=2)
    padded = [np.hstack([side, np.full((100, 3), 7.0)]) for side in (real, fake)]
    assert distance(*padded) == pytest.approx(distance(real, fake), rel=1e-9)


def test_it_is_symmetric_and_moves_with_the_mean() -> None:
    real, fake = features(200, 16, seed=1), features(200, 16, seed=2)
    assert distance(real, fake) == pytest.approx(distance(fake, real), rel=1e-9)
    assert distance(real, real + 2) == pytest.approx(16 * 4, rel=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((1, 4)), "1 images are too few for a covariance"),
        (np.full((5, 4), np.nan), "not finite"),
        (np.zeros(4), "must have shape"),
    ],
)
def test_wrong_features_are_named(wrong: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Moments.of(wrong)


def test_different_numbers_of_features_are_rejected() -> None:
    with pytest.raises(ValueError, match="8 features on one side, 4 on the other"):
        distance(features(50, 8, seed=1), features(50, 4, seed=1))


def test_the_bootstrap_interval_covers_other_draws() -> None:
    """Most distances of 50 other pairs lie within the first pair's interval, which is not much wider than needed."""
    interval = bootstrap(features(400, 8, seed=1), features(400, 8, seed=2, shift=0.5), resamples=100)
    others = [
        distance(features(400, 8, seed=2 * draw), features(400, 8, seed=2 * draw + 1, shift=0.5))
        for draw in range(10, 60)
    ]
    inside = np.mean([interval.low <= other <= interval.high for other in others])
    assert 0.6 < inside <= 1
    assert interval.high - interval.low < 8 * np.std(others)


def test_the_bootstrap_is_reproducible() -> None:
    sides = features(60, 4, seed=1), features(60, 4, seed=2)
    assert bootstrap(*sides, resamples=10, seed=3) == bootstrap(*sides, resamples=10, seed=3)


WIDTH, SHIFT, SCALE = 16, 0.2, 1.1
TRUE_DISTANCE = WIDTH * SHIFT**2 + WIDTH * (SCALE - 1) ** 2
"""Squared distance between a standard Gaussian and one that is shifted and scaled."""


def gaussians(real: int, fake: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(real, WIDTH)), SHIFT + SCALE * generator.normal(size=(fake, WIDTH))


def test_few_images_bias_the_distance_of_two_known_gaussians_upward() -> None:
    """By about 1 / N: half as many images, twice the bias."""
    biases = [
        np.mean([distance(*gaussians(count, count, seed)) for seed in range(40)]) - TRUE_DISTANCE
        for count in (200, 400, 800)
    ]
    assert biases[0] > biases[1] > biases[2] > 0
    assert biases[0] / biases[1] == pytest.approx(2, abs=0.4)


@pytest.mark.parametrize(("real", "fake"), [(400, 400), (1200, 200), (200, 1200)])
def test_the_limit_removes_the_bias_of_both_sets(real: int, fake: int) -> None:
    sides = [gaussians(real, fake, seed) for seed in range(40)]
    biased = np.mean([distance(*side) for side in sides]) - TRUE_DISTANCE
    limits = [at_infinity(*side) for side in sides]
    assert biased > 0.2
    assert abs(np.mean(limits) - TRUE_DISTANCE) < 0.25 * biased


def test_the_interval_is_that_of_the_distance_at_this_number_of_images() -> None:
    """It covers the expected distance of 200 images, not that of infinitely many."""
    expected = np.mean([distance(*gaussians(200, 200, seed)) for seed in range(100, 300)])
    found = [bootstrap(*gaussians(200, 200, seed), resamples=60) for seed in range(30)]
    assert np.mean([each.low <= expected <= each.high for each in found]) >= 0.9
    assert np.mean([each.low <= TRUE_DISTANCE <= each.high for each in found]) < 0.5


@pytest.mark.parametrize(
    ("real", "fake", "message"), [(45, 44, "44 fake images .* 8 features need 45"), (44, 45, "44 real images")]
)
def test_too_few_images_for_the_limit_are_rejected(real: int, fake: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        at_infinity(features(real, 8, seed=1), features(fake, 8, seed=2))


def test_the_inception_score_goes_from_one_to_the_number_of_classes() -> None:
    assert inception_score(np.full((20, 10), 0.1)) == pytest.approx(1)
    assert inception_score(np.eye(10)) == pytest.approx(10)
    with pytest.raises(ValueError, match="sum to one"):
        inception_score(np.ones((3, 3)))


def test_one_mode_of_two_has_precision_without_recall() -> None:
    mode = features(200, 4, seed=1)
    real = np.vstack([mode, mode + 100])
    found = precision_recall(real, features(200, 4, seed=2))
    assert found.precision > 0.7
    assert 0.35 < found.recall < 0.5


def test_distant_images_have_neither() -> None:
    found = precision_recall(features(100, 4, seed=1), features(100, 4, seed=2) + 1000)
    assert (found.precision, found.recall) == (0, 0)


def test_too_few_images_for_neighbors_are_rejected() -> None:
    with pytest.raises(ValueError, match="3 images are too few to have 3 neighbors"):
        precision_recall(features(3, 4, seed=1), features(30, 4, seed=2))
