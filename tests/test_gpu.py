"""What only a GPU can show; run by hand: `pytest -m gpu`."""

from dataclasses import replace

import pytest
import torch

from conlst import bench, recipe, train
from conlst.arrays import Rows
from conlst.packing import Layout, attend
from conlst.predict import Labelled, label
from conlst.progress import Progress
from conlst.stages import contrastive, self_training
from conlst.stages.material import Source, target_of
from conlst.tokens import pad
from conlst.train import Term, Tools, optimise

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
CLASSES = ("geography", "politics", "sports")
WORDS = ["the", "river", "flows", "past", "a", "town", "where", "people", "vote", "and", "play"]


def rows(n):
    """Texts of 1 to 14 words."""
    texts = [" ".join(WORDS[i % 7 : i % 7 + 1 + i % 8]) for i in range(n)]
    return Rows([str(i) for i in range(n)], texts, None, ["fr"] * n)


@pytest.fixture
def made(tiny_encoder):
    """(recipe, model in bf16 on the GPU, source, target, its pool)."""
    data = {
        "source": {"train": {"path": "train.tsv"}},
        "targets": {"fr": {"unlabelled": {"path": "fr.tsv"}}},
    }
    raw = {
        "conlst": 1,
        "model": {"name": str(tiny_encoder), "max_length": 32, "precision": "bf16"},
        "data": data,
        "contrastive": {
            "batch_size": 8,
            "curve": 0,
            "confident": {"type": "fixed", "threshold": 0.1},
        },
        "self_training": {
            "epochs": 1,
            "batch_size": 8,
            "selector": {"type": "fixed", "threshold": 0.1},
        },
    }
    plan = recipe.load(raw)
    model = bench.untrained(plan, CLASSES, train.accelerator("bf16"))
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.mul_(6 if weight.dim() > 1 else 1)  # untrained, it says the same of every text
    texts = rows(64)
    target = target_of(texts, model.tokenise(texts), ["fr"])
    classes = torch.arange(64) % 3
    source = Source(texts, target.tokens, classes, CLASSES, torch.zeros_like(classes))
    logits = 6.0 * torch.nn.functional.one_hot(classes, 3).float()
    said = Labelled(logits, logits.softmax(1), torch.zeros(64, 32))
    pool = replace(target.pool(CLASSES, said), confident=torch.ones(64, dtype=torch.bool), round=1)
    return plan, model, source, target, pool


def tools():
    return Tools(train.accelerator("bf16"), torch.Generator().manual_seed(1), Progress())


def test_rows_of_any_length_in_one_call_say_what_padded_rows_say(made):
    _, model, _, target, _ = made
    everyone = torch.arange(64)
    said = label(model, target.tokens, Progress(), "").logits_NC
    batch = pad(target.tokens, everyone, model.tokenizer)
    inputs = {"input_ids": batch.ids_BT, "attention_mask": batch.attention_BT}
    with torch.inference_mode():
        padded = model.network(**{k: v.cuda() for k, v in inputs.items()}).logits.cpu()
    apart = (said - padded).square().mean(0).sqrt()
    assert (apart < padded.std(0) / 8).all()  # bf16's rounding


def test_the_flash_kernel_drops_out_at_random_and_its_gradient_drops_the_same():
    """The outcome is linear in v: where v meets its gradient, the masks of both are at work."""
    generator = torch.Generator("cuda").manual_seed(1)
    layout = Layout(((2, 9), (3, 5)), torch.device("cuda"))
    shape = (1, 2, 33, 16)
    q, k, v, w = (torch.randn(shape, device="cuda", generator=generator) for _ in range(4))
    q, k, v = (x.bfloat16().requires_grad_() for x in (q, k, v))

    def attended(dropout):
        return attend(None, q, k, v, None, dropout, layout=layout)[0].transpose(1, 2).float()

    out = attended(0.5)
    (gradient,) = torch.autograd.grad((out * w).sum(), v)
    torch.testing.assert_close(
        (gradient.float() * v.float()).sum(), (out * w).sum(), atol=0.2, rtol=0.02
    )
    assert not torch.equal(out, attended(0.5))
    mean = sum(attended(0.5).detach() for _ in range(3000)) / 3000
    torch.testing.assert_close(mean, attended(0.0).detach(), atol=0.1, rtol=0.05)


def test_no_step_waits_for_the_gpu(made):
    """Between the first step and the last, where the means are read."""
    plan, model, source, target, pool = made

    def unwaited(steps, run):
        def after(number):
            mode = "error" if 1 <= number < steps - 1 else "default"
            torch.cuda.set_sync_debug_mode(mode)

        try:
            run(after)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def source_steps(after):
        batches = list(torch.arange(64).split(8))

        def terms(some, progress):
            out = model.encode(source.tokens, some)
            return [Term("source", out.logits.square().mean(1))]

        optimise(model, [batches], terms, plan.source, tools(), "", after)

    unwaited(8, source_steps)
    stage = plan.contrastive.model_copy(update={"curve": 8})
    unwaited(8, lambda after: contrastive.train(stage, model, source, target, pool, tools(), after))
    before = torch.cuda.memory_allocated()
    out = self_training.train(plan.self_training, model, source, target, pool, tools())
    assert out.facts["steps"] > 0
    assert torch.cuda.memory_allocated() < before + 5e7
