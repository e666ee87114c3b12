"""The deployments that are served unless others are asked for. Data only."""

from .deployments import Deployment
from .kinds import Kind
from .profiles import Profile

_MAAS: tuple[Kind, ...] = ("serverless", "models", "github")
_OPENAI: tuple[Kind, ...] = ("openai-deployment", "openai-v1", "models", "github")

OPENAI_EXTRAS = frozenset(
    {"audio", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens", "metadata", "modalities"}
    | {"n", "parallel_tool_calls", "prediction", "prompt_cache_key", "reasoning_effort", "safety_identifier"}
    | {"service_tier", "store", "stream_options", "top_logprobs", "user", "verbosity", "web_search_options"}
)
"""Fields of Azure OpenAI chat beyond the Model Inference schema. Source: Azure OpenAI REST reference."""

_VLLM_EXTRAS = frozenset(
    {"best_of", "guided_json", "ignore_eos", "length_penalty", "logit_bias", "logprobs", "max_completion_tokens"}
    | {"min_p", "min_tokens", "n", "parallel_tool_calls", "repetition_penalty", "skip_special_tokens"}
    | {"stream_options", "top_k", "top_logprobs", "user"}
)

GPT = Profile(
    name="gpt",
    provider="OpenAI",
    inputs=frozenset({"text", "image", "file", "audio"}),
    error_style="openai",
    extras=OPENAI_EXTRAS,
    stream_usage="asked",
    content_filter=True,
    usage_details=True,
    named_tool_finish="stop",
    notes=("Accepts audio, which the service offers under a separate model name.",),
)

_SAMPLING = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens"})
REASONING_GPT = Profile(
    name="gpt-reasoning",
    provider="OpenAI",
    inputs=frozenset({"text", "image"}),
    error_style="openai",
    context_window=200_000,
    parallel_tools=False,
    extras=OPENAI_EXTRAS,
    unsupported=_SAMPLING | {"parallel_tool_calls", "logprobs", "top_logprobs", "logit_bias"},
    stream_usage="asked",
    content_filter=True,
    usage_details=True,
    reasoning="hidden",
    notes=(
        "Accepts max_completion_tokens instead of max_tokens.",
        "Accepts a system or a developer message, not both.",
    ),
)
"""Source: Azure OpenAI, 'Reasoning models', list of unsupported parameters."""

MISTRAL = Profile(
    name="mistral",
    provider="Mistral",
    error_style="mistral",
    json_schema=False,
    extras=frozenset({"safe_prompt"}),
    tool_delta="whole",
    tool_then_assistant=True,
    short_call_ids=True,
)
"""Source: recorded sessions with mistral-large-2411 and mistral-small on serverless endpoints."""

PHI_3 = Profile(
    name="phi-3",
    provider="Microsoft",
    context_window=4096,
    tools=False,
    json_object=False,
    json_schema=False,
    extras=frozenset({"logprobs"}),
    system_as_user=True,
    string_content=True,
    leading_space=True,
    empty_tool_calls=True,
)
"""Source: Azure AI Studio, 'How to use Phi-3 family of language models'; recorded answers of Phi-3.5-mini."""

PHI_3_VISION = Profile(
    name="phi-3-vision",
    provider="Microsoft",
    inputs=frozenset({"text", "image"}),
    max_images=1,
    error_style="vllm",
    tools=False,
    json_object=False,
    json_schema=False,
    extras=_VLLM_EXTRAS - {"stream_options"},
    system_as_user=True,
    leading_space=True,
    empty_tool_calls=True,
    notes=("Refuses stream_options even when it is passed through.",),
)
"""Source: Azure AI, 'How to use Phi-3 vision'; public reports of its container."""

PHI_4_MINI = Profile(
    name="phi-4-mini",
    provider="Microsoft",
    error_style="vllm",
    tools=False,
    json_object=False,
    json_schema=False,
    extras=_VLLM_EXTRAS,
    string_content=True,
    empty_tool_calls=True,
)

PHI_4_MULTIMODAL = Profile(
    name="phi-4-multimodal",
    provider="Microsoft",
    inputs=frozenset({"text", "image", "audio"}),
    error_style="vllm",
    tools=False,
    json_object=False,
    json_schema=False,
    extras=_VLLM_EXTRAS,
    served_name="speech",
    empty_tool_calls=True,
    reasoning_is_null=True,
    counts_audio=True,
    notes=("Answers name the model `speech`.",),
)
"""Source: recorded answers of Phi-4-multimodal to `audio_url`."""

LLAMA = Profile(
    name="llama",
    provider="Meta",
    error_style="vllm",
    tools_ignored=True,
    json_object=False,
    json_schema=False,
    extras=_VLLM_EXTRAS,
)
"""Source: Azure AI Foundry, 'Models': text format only; a public report that Llama 3.3 takes tools and ignores them."""

COHERE_COMMAND = Profile(
    name="cohere-command",
    provider="Cohere",
    error_style="azure-list",
    json_schema=False,
    extras=frozenset({"documents", "safety_mode", "k", "p"}),
    tool_results_as_json=True,
)

JAIS = Profile(name="jais", provider="Core42", context_window=8192, json_schema=False)

JAMBA = Profile(name="jamba", provider="AI21 Labs", error_style="strings", context_window=256_000)
"""Source: Azure AI Foundry, 'Models'; the error bodies follow a public report of Jamba Instruct."""

DEEPSEEK_R1 = Profile(
    name="deepseek-r1",
    provider="DeepSeek",
    error_style="vllm",
    context_window=128_000,
    tools=False,
    json_object=False,
    json_schema=False,
    extras=_VLLM_EXTRAS,
    unsupported=frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"}),
    reasoning="visible",
)
"""Source: Azure AI Foundry, 'Models' and 'How to use reasoning models': text only, without these parameters."""

COHERE_EMBED = Profile(
    name="cohere-embed",
    provider="Cohere",
    task="embeddings",
    error_style="azure-list",
    context_window=512,
    dimensions=1024,
    input_type=True,
    batch_limit=96,
    images=True,
    image_model="embed-english-v3.0-image",
    notes=("Without `model` an answer to texts names no model and has the header x-api-warning.",),
)
"""Source: recorded answers of Cohere-embed-v3-english to texts and to images; Cohere's limit of 96 texts a call."""

TEXT_EMBEDDING_3 = Profile(
    name="text-embedding-3",
    provider="OpenAI",
    task="embeddings",
    error_style="openai",
    context_window=8191,
    extras=frozenset({"user"}),
    dimensions=1536,
    dimensions_settable=True,
)

DEPLOYMENTS = (
    Deployment("gpt-4o", GPT, _OPENAI),
    Deployment("gpt-4o-mini", GPT, _OPENAI),
    Deployment("gpt-reasoning", REASONING_GPT, _OPENAI),
    Deployment("mistral-large-2411", MISTRAL, _MAAS),
    Deployment("llama-3.3-70b-instruct", LLAMA, _MAAS),
    Deployment("cohere-command-r-plus", COHERE_COMMAND, _MAAS),
    Deployment("jais-30b-chat", JAIS, _MAAS),
    Deployment("jamba-1.5-large", JAMBA, _MAAS),
    Deployment("deepseek-r1", DEEPSEEK_R1, _MAAS),
    Deployment("phi-3-mini-4k-instruct", PHI_3, _MAAS),
    Deployment("phi-3-vision-128k-instruct", PHI_3_VISION, _MAAS),
    Deployment("phi-4-mini-instruct", PHI_4_MINI, _MAAS),
    Deployment("phi-4-multimodal-instruct", PHI_4_MULTIMODAL, _MAAS),
    Deployment("text-embedding-3-small", TEXT_EMBEDDING_3, _OPENAI),
    Deployment("cohere-embed-v3-english", COHERE_EMBED, _MAAS),
)
