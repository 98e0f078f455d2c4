"""The sentence encoder: pooling, and refusing what is not whole."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sarto.core.contract import EngineError
from sarto.core.matching.text import sentence
from sarto.core.matching.text.sentence import SentenceEncoder

needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers is not installed (pip install 'sarto[text]')"
)
needs_model = pytest.mark.skipif(
    find_spec("transformers") is None or find_spec(sentence.PACKAGE) is None,
    reason="the sentence encoder is not installed (pip install 'sarto[text]')",
)

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "dark", "smooth", "water", "bright", "roofs")
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 300,
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of eight features with the files of the real one."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    BertModel(BertConfig(**CONFIG)).save_pretrained(folder)  # with a pooler, which is not used
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=128, pad_id=0, pad_token="[PAD]")  # the real one's file asks for it, too
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


TEXTS = ["dark smooth water", "bright roofs", "bright", "roofs roofs roofs roofs water unheard"]


@needs_transformers
def test_features_have_unit_length_and_do_not_depend_on_their_neighbours(small) -> None:
    encoder = SentenceEncoder(small)
    together = encoder.encode(TEXTS)
    assert together.shape == (4, encoder.dimension) == (4, 8)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for text, row in zip(TEXTS, together):  # padding does not count
        np.testing.assert_allclose(encoder.encode([text])[0], row, atol=1e-6)
    assert encoder.encode([]).shape == (0, 8)
    np.testing.assert_array_equal(encoder.encode(["dark"] * 130 + ["water"])[-1], encoder.encode(["water"])[0])


@needs_transformers
def test_it_is_the_mean_over_all_tokens(small) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(**CONFIG)).eval()
    model.load_state_dict(load_file(small / "model.safetensors"))
    with torch.no_grad():
        states = model(torch.tensor([[2, 7, 8, 3]])).last_hidden_state[0]  # [CLS] bright roofs [SEP]
    mean = states.mean(0).numpy()
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(SentenceEncoder(small).encode(["bright roofs"])[0], expected, atol=1e-5)


@needs_transformers
def test_long_texts_are_cut(small) -> None:
    encoder = SentenceEncoder(small)
    long = encoder.encode(["water " * 254, "water " * 1000])
    np.testing.assert_array_equal(long[0], long[1])


@needs_transformers
def test_it_is_frozen(small) -> None:
    model = SentenceEncoder(small)._model
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


@needs_transformers
@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_a_missing_file_is_named(copy, file) -> None:
    (copy / file).unlink()
    with pytest.raises(EngineError, match=f"lacks '{file}'.*pip install"):
        SentenceEncoder(copy)


@needs_transformers
@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_cut_file_is_told(copy, file) -> None:
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineError, match=r"could not be read.*Install the encoder again"):
        SentenceEncoder(copy)


@needs_transformers
def test_gaps_are_not_filled_with_random_weights(copy) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "intermediate.dense.bias" not in k}, copy / "model.safetensors")
    with pytest.raises(
        EngineError, match=r"'encoder\.layer\.0\.intermediate\.dense\.bias' should have shape \(16,\)"
    ):
        SentenceEncoder(copy)
    name = "embeddings.LayerNorm.weight"
    save_file({**weights, name: weights[name][:4].clone()}, copy / "model.safetensors")
    with pytest.raises(EngineError, match=r"should have shape \(8,\), not \(4,\)"):
        SentenceEncoder(copy)


@needs_transformers
@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("1_Pooling/config.json", '{"pooling_mode_cls_token": true}', "does not pool by the mean"),
        ("1_Pooling/config.json", "[]", "no JSON object"),
        ("config.json", '{"model_type": "gpt2"}', "'gpt2', not a BERT"),
        ("config.json", json.dumps({**CONFIG, "hidden_size": 16}), "do not fit config.json"),
    ],
)
def test_another_model_is_refused(copy, file, content, words) -> None:
    (copy / file).write_text(content)
    with pytest.raises(EngineError, match=words):
        SentenceEncoder(copy)


def test_what_is_not_installed_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(sentence, "PACKAGE", "no_such_package_of_ours")
    with pytest.raises(EngineError, match=r"'no_such_package_of_ours' is not installed\. Install it: pip install"):
        SentenceEncoder()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text('{"pooling_mode_mean_tokens": true}')
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EngineError, match=r"needs 'transformers'\. Install it: pip install"):
        SentenceEncoder(tmp_path)


# ── the real model ──────────────────────────────────────────────────────────────────────────────────────────


@needs_model
def test_the_real_one_understands_what_lies_close() -> None:
    encoder = SentenceEncoder()
    assert encoder.dimension == 384
    harbour, port, dunes = encoder.encode(
        ["Piers with ships in a harbour", "Container port with vessels at the quay", "Sand dunes of a dry desert"]
    )
    assert harbour @ port > 0.5
    assert harbour @ dunes < 0.3


REFERENCE = (-0.08937, -0.05223, 0.03940, 0.02651)


@needs_model
def test_the_real_one_agrees_with_its_authors_code() -> None:
    """The figures are what sentence-transformers 6.2 gives for the same folder."""
    features = SentenceEncoder().encode(["Smooth dark water"])[0]
    np.testing.assert_allclose(features[:4], REFERENCE, atol=1e-4)


@needs_model
def test_its_package_is_found_without_importing_it() -> None:
    SentenceEncoder()
    assert sentence.PACKAGE not in sys.modules
