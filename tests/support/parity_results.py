"""Results of a made-up parity contest."""

from dig_bench.parity.results import Results, Run


def results(*names: str, seeds: int = 3) -> Results:
    """Returns hyperbolic learning curves; each further contender ends at a larger loss and distance."""
    runs = tuple(
        Run(
            name=name,
            seed=seed,
            curve=tuple((1 + place + 0.01 * seed) / (step + 1) for step in range(20)),
            distance=3.0 + 4 * place + 0.1 * seed,
            parameters=1234,
            train_images_per_s=99.5,
            seconds=2.0,
            kernels="torch",
        )
        for place, name in enumerate(names)
        for seed in range(seeds)
    )
    settings = {"steps": 400, "data": "digits", "num_images": 2000}
    return Results(settings=settings, environment={"torch": "2.13"}, metric="FD-digits", runs=runs)
