"""What the package's own public examples call: parameters of a call, JSON mode, tools."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.azure_inference import AzureAICompletionsModel


def echo(message: str) -> str:
    """Says a message again."""
    return message


model_name = os.environ.get("AZURE_INFERENCE_MODEL", None)
llm = AzureAICompletionsModel(model_name=model_name)
messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Good evening")]
plain = llm.chat(messages, temperature=0.0, top_p=1.0)

json_llm = AzureAICompletionsModel(model_name=model_name, model_kwargs={"response_format": {"type": "json_object"}})
as_json = json_llm.chat([ChatMessage(role="user", content="Say good evening as JSON.")])

tool = FunctionTool.from_defaults(fn=echo, name="echo", description="Says a message again.")
called = llm.chat_with_tools(
    user_msg="Use the tool echo to say: good evening",
    chat_history=[ChatMessage(role="system", content="Use the tool.")],
    tools=[tool],
    tool_required=True,
    verbose=True,
)
