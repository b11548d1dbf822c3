"""Greedy decoding as a plain loop, one text at a time, and what the translators are held to."""

import torch

TEXTS = ["The river is wide.", "", "A longer text about the weather in the north.", "Hello", " "]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def scores(network, ids, made):
    """Of every token, as what comes after `made`."""
    with torch.no_grad():
        given = {"input_ids": torch.tensor([ids]), "decoder_input_ids": torch.tensor([made])}
        return network(**given).logits[0, -1].tolist()


def greedy(network, ids, first, most):
    """The ids that the likeliest continuation adds, until the end or `most` tokens."""
    settings = network.generation_config
    end, banned = settings.eos_token_id, [word[0] for word in settings.bad_words_ids or []]
    made = [settings.decoder_start_token_id, *([] if first is None else [first])]
    while (len(made) <= most and made[-1] != end) or len(made) == 1:
        row = scores(network, ids, made)
        best = max((i for i in range(len(row)) if i not in banned), key=lambda i: row[i])
        made.append(end if settings.forced_eos_token_id == end and len(made) == most else best)
    return made[1 if first is None else 2 :]


def assert_greedy(part, network, tokenizer, source, target, surround, first):
    """A translator without beams gives what the plain loop gives.

    Args:
        surround: ids before and behind those of the words.
        first: the id that a translation must begin with.
    """
    with part.opened() as translate:
        made = translate(TEXTS, source, target, generator=seeded())
    assert len(set(made)) > 3, "the model says the same of all texts: nothing is tested"
    for text, its in zip(TEXTS, made, strict=True):
        words = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
        slow = greedy(network, [*surround[0], *words, *surround[1]], first, part.max_new_tokens)
        wanted = tokenizer.decode(slow, skip_special_tokens=True).strip() if text.strip() else ""
        assert its == wanted


def assert_tokens(part, generated, ids):
    """In every language, from and into it: its own token before the text, and before the answer.

    Args:
        ids: language -> the id of its token.
    """
    pivot, others = "en", [code for code in part.languages if part.knows(code, "en")]
    assert len(others) > 50
    with part.opened() as translate:
        for code in others:
            translate(["Hello"], code, pivot, generator=seeded())
            translate(["Hello"], pivot, code, generator=seeded())
    for code, there, back in zip(others, generated[::2], generated[1::2], strict=True):
        for call, source, target in ((there, code, pivot), (back, pivot, code)):
            assert call.input_ids[0, [0, -1]].tolist() == [ids[source], 2], (code, source)
            assert call.made[0, :2].tolist() == [2, ids[target]], (code, target)
            assert call.forced_bos_token_id == ids[target]
