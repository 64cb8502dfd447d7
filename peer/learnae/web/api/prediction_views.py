"""Requests for predictions, and the responses."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, FailFast, Field, model_validator

from learnae.web.api.views import View

MAX_ROWS = 1_000  # rows in one prediction
MAX_FEATURES = 4_096  # features in a row

Number = Annotated[float, Field(allow_inf_nan=False)]


class PredictionRequest(View):
    """Rows to predict the labels of, with the features in the order of the session's data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: Annotated[
        list[Annotated[list[Number], Field(min_length=1, max_length=MAX_FEATURES), FailFast()]],
        Field(min_length=1, max_length=MAX_ROWS, examples=[[[0.1, -1.2, 0.7]]]),
        FailFast(),  # an error takes a kilobyte
    ]
    standardised: bool = Field(True, description="false: standardise the features like the session's data first")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > len(cls.model_fields):
            raise ValueError(f"give only {', '.join(cls.model_fields)}")
        return value


class Prediction(View):
    label: int = Field(ge=0, description="the most probable class", examples=[1])
    probability: float = Field(ge=0, le=1, description="probability of that class", examples=[0.87])
    probabilities: list[float] = Field(description="probability of each class", examples=[[0.13, 0.87]])

    @staticmethod
    def of(probabilities: Sequence[float]) -> "Prediction":
        label = max(range(len(probabilities)), key=probabilities.__getitem__)
        return Prediction(label=label, probability=probabilities[label], probabilities=list(probabilities))


class Estimate(View):
    """If the session's labels are numbers."""

    value: float = Field(description="the number, in the unit of the label", examples=[151.3])


class Predictions(View):
    cid: str = Field(description="CID of the model that was used")
    predictions: list[Prediction | Estimate]

    @staticmethod
    def of(cid: str, answers: Sequence[Sequence[float]]) -> "Predictions":
        """``answers``: of a ``ports.Predictor``."""
        found = [Estimate(value=answer[0]) if len(answer) == 1 else Prediction.of(answer) for answer in answers]
        return Predictions(cid=cid, predictions=found)
