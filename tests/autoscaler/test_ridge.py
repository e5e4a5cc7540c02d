"""The regression behind the ridge forecaster, held against scikit-learn's."""

import numpy as np
import pytest
from sklearn import linear_model
from wharfage_autoscaler.forecasters.ridge import shrunk


@pytest.mark.parametrize(
    ("rows", "features", "steps"),
    [
        pytest.param(2000, 60, 24, id="four weeks of it"),
        pytest.param(300, 61, 6, id="a few days of it"),
        pytest.param(61, 60, 24, id="hardly a row for each feature"),
    ],
)
def test_the_map_is_the_one_of_scikit_learn_to_the_last_bit(rows: int, features: int, steps: int) -> None:
    draw = np.random.default_rng(rows)
    seen = draw.normal(0.1, 1.0, (rows, features))
    targets = 0.1 * seen @ draw.normal(size=(features, steps)) + draw.normal(2.0, 1.0, (rows, steps))
    theirs = linear_model.Ridge(alpha=3.0 * rows).fit(seen, targets)
    coefficients, intercept = shrunk(seen, targets, 3.0 * rows)
    assert np.array_equal(coefficients, theirs.coef_.T)
    assert np.array_equal(intercept, theirs.intercept_)


def test_with_fewer_rows_than_features_it_is_the_same_map_but_for_rounding() -> None:
    draw = np.random.default_rng(1)
    seen, targets = draw.normal(size=(16, 60)), draw.normal(size=(16, 24))
    theirs = linear_model.Ridge(alpha=48.0).fit(seen, targets)
    assert np.allclose(shrunk(seen, targets, 48.0)[0], theirs.coef_.T, rtol=0.0, atol=1e-14)
