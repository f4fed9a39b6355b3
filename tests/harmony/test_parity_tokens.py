"""Tokens as openai-harmony has them: T1 to T7 of what the format asks of a tokenizer, and where we differ by intent."""

from typing import Any

import openai_harmony
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples

from ostinato.harmony import HarmonyError, Message, Tokenizer, render
from ostinato.harmony.o200k import load_encoding, unpack

texts = st.text() | st.lists(
    st.sampled_from(
        ["'S", "'re", "ſ", "\r\n", "\u00a0", "  ", "/", "١٢٣٤", "12345", "İ", "ǅ", "e\u0301", "👩‍👩‍👧", "\0", "中文"]
    ),
    max_size=8,
).map("".join)


@examples(300)
@given(text=texts)
def test_t1_text_is_encoded_as_the_library_encodes_it(text: str, tokenizer: Tokenizer, library: Any) -> None:
    ids = tokenizer.encode(text)

    assert ids == library.encode(text)
    assert tokenizer.decode(ids) == text


def test_t2_every_id_has_the_librarys_bytes_and_every_special_name_its_id(tokenizer: Tokenizer, library: Any) -> None:
    ids = range(tokenizer.vocab_size)
    names = library.encoding.special_tokens_set
    special = tokenizer.special_ids()

    assert tokenizer.decode_bytes(ids) == bytes(library.encoding._inner.decode_bytes(list(ids)))
    assert [tokenizer.is_special(number) for number in ids] == [*map(library.encoding.is_special_token, ids)]
    assert set(special) == names - {"<|reserved_201088|>"}
    assert all([number] == library.encoding.encode(name, allowed_special="all") for name, number in special.items())


def test_t3_a_the_vocabulary_ends_with_the_models_rows_and_not_one_later(tokenizer: Tokenizer, library: Any) -> None:
    assert library.encoding.decode([201_088]) == "<|reserved_201088|>"
    assert tokenizer.vocab_size == 201_088
    assert not tokenizer.is_special(201_088)
    assert tokenizer.decode([201_088]) == "\ufffd"
    assert tokenizer.decode(tokenizer.encode("<|reserved_201088|>")) == "<|reserved_201088|>"


def test_t3_b_the_end_of_a_prompt_is_ordinary_text(tokenizer: Tokenizer, library: Any) -> None:
    text = "<|endofprompt|>"

    assert tokenizer.encode(text) == tokenizer.encode(text, allowed_special="all") == library.encode(text)
    assert tokenizer.special_name(200_018) == library.encoding.decode([200_018]) == "<|reserved_200018|>"


@pytest.mark.parametrize("name", ["refusal", "untrusted", "end_untrusted", "meta_end"])
def test_t3_c_marks_without_a_token_are_ordinary_text(name: str, tokenizer: Tokenizer, library: Any) -> None:
    text = f"<|{name}|>"
    ids = tokenizer.encode(text, allowed_special="all")

    assert ids == library.encoding.encode(text, allowed_special="all")
    assert not any(map(tokenizer.is_special, ids))


def test_t4_the_librarys_name_of_the_vocabulary_is_known(tokenizer: Tokenizer) -> None:
    assert Tokenizer.named("HarmonyGptOss") is Tokenizer.named("o200k_harmony") is tokenizer


@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base", "harmonygptoss", ""])
def test_t4_any_other_name_is_refused_with_those_there_are(name: str, library: Any) -> None:
    with pytest.raises(ValueError, match="Invalid HarmonyEncodingName"):
        openai_harmony.load_harmony_encoding(name)
    with pytest.raises(HarmonyError, match=f"no vocabulary named '{name}' is bundled; there is o200k_harmony"):
        Tokenizer.named(name)


def test_t5_generations_also_stop_at_the_end_of_text(tokenizer: Tokenizer, library: Any) -> None:
    end_of_text = tokenizer.special_ids()["<|endoftext|>"]

    assert tokenizer.stop_ids == {*library.encoding.stop_tokens_for_assistant_actions(), end_of_text}
    assert tokenizer.terminators == {*library.encoding.stop_tokens(), end_of_text}


SPOKEN = "a<|start|>b<|end|> <|reserved_200018|>"


@pytest.mark.parametrize("allowed", [(), ["<|start|>"], {"<|start|>", "<|end|>"}, "all"], ids=repr)
def test_t6_special_names_are_ids_where_they_are_allowed(allowed: Any, tokenizer: Tokenizer, library: Any) -> None:
    theirs = library.encoding.encode(
        SPOKEN, allowed_special=allowed if allowed == "all" else set(allowed), disallowed_special=()
    )

    assert tokenizer.encode(SPOKEN, allowed_special=allowed) == theirs
    assert tokenizer.decode(theirs) == SPOKEN


def test_t6_what_the_library_refuses_by_default_stays_text(tokenizer: Tokenizer, library: Any) -> None:
    with pytest.raises(openai_harmony.HarmonyError, match="disallowed special token"):
        library.encoding.encode(SPOKEN)

    assert tokenizer.encode(SPOKEN) == library.encode(SPOKEN)


def test_t6_allowing_what_is_no_special_token_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(HarmonyError, match=r"'<\|begin\|>' is no special token of 'o200k_harmony'"):
        tokenizer.encode("x", allowed_special={"<|begin|>", "<|start|>"})


def test_t6_special_names_are_found_in_very_long_text(tokenizer: Tokenizer) -> None:
    text = " " * 200_000 + "<|end|>" + "\n" * 200_000

    ids = tokenizer.encode(text, allowed_special="all")

    assert ids.count(tokenizer.end) == 1
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("text", ["\ud83d\ude00 \ud800", "\udfffx", "\ude00\ud83d"], ids=ascii)
def test_t6_lone_surrogates_are_mended_as_the_library_mends_them(text: str, tokenizer: Tokenizer, library: Any) -> None:
    assert tokenizer.encode(text) == tokenizer.encode(text, allowed_special="all") == library.encode(text)


@pytest.mark.parametrize("ids", [[9552], [9552, 64], [64, 201_089], [2**40], [-1]], ids=repr)
def test_t6_strict_decoding_refuses_what_is_no_text(ids: list[int], tokenizer: Tokenizer, library: Any) -> None:
    with pytest.raises((openai_harmony.HarmonyError, OverflowError)):
        library.encoding.decode_utf8(ids)
    with pytest.raises(HarmonyError, match=r"no UTF-8|is not in the vocabulary 'o200k_harmony'"):
        tokenizer.decode(ids, errors="strict")
    assert "\ufffd" in tokenizer.decode(ids)


@examples(200)
@given(ids=st.lists(st.integers(0, 201_087), max_size=12))
def test_t6_any_ids_are_decoded_as_the_library_decodes_them(ids: list[int], tokenizer: Tokenizer, library: Any) -> None:
    assert tokenizer.decode(ids) == library.encoding.decode(ids)


def test_t7_the_bundled_ranks_are_checked_and_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TIKTOKEN_ENCODINGS_BASE", "TIKTOKEN_RS_CACHE_DIR", "TIKTOKEN_CACHE_DIR", "TMP"):
        monkeypatch.setenv(variable, "/nowhere")

    loaded = Tokenizer(load_encoding())

    assert render([Message.user("x")], loaded)[0] == 200_006
    with pytest.raises(HarmonyError, match="reinstall ostinato"):
        unpack(b"")
