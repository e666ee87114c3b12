"""API reference of AzureAIChatCompletionsModel: 'Structured Output', by each of the three methods it names."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from pydantic import BaseModel


class Booking(BaseModel):
    """A table to book."""

    city: str


model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="mistral-large-2407",
)
question = "Book a table in Lisbon for 3 guests, as JSON with the key city."
bookings = [
    model.with_structured_output(Booking, method="json_schema").invoke(question),
    model.with_structured_output(Booking, method="function_calling").invoke(question),
    model.with_structured_output(Booking, method="json_mode").invoke(question),
]
