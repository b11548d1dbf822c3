"""What a recipe may say, how recipes are put together, and what is told of their faults."""

import copy
import json

import pytest

from conlst import recipe as recipes
from conlst.errors import BadInput
from conlst.recipe import File, Recipe, load


def whole(**changes):
    """A small recipe that is valid, with some of its sections changed."""
    base = {
        "conlst": 1,
        "model": {"name": "some/encoder"},
        "data": {
            "source": {"language": "en", "train": {"path": "train.tsv"}},
            "targets": {"sw": {"unlabelled": {"path": "sw.tsv"}}},
        },
    }
    return base | changes


@pytest.fixture
def written(tmp_path):
    """Write recipes beside one another; the last one is returned."""

    def write(**files):
        path = tmp_path
        for name, content in files.items():
            path = tmp_path / f"{name}.json"
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(recipe, *edits):
    with pytest.raises(BadInput) as caught:
        load(recipe, edits)
    return str(caught.value)


class TestDefaults:
    def test_a_short_recipe_is_the_papers_method(self):
        recipe = load(whole())
        assert recipe.contrastive.confident.model_dump() == {"type": "fixed", "threshold": 0.9}
        assert recipe.contrastive.complement.name == "confidence_gated"
        assert (recipe.contrastive.negatives.name, recipe.contrastive.negatives.count) == (
            "uniform",
            16,
        )
        assert recipe.contrastive.loss.name == "contrastive_negative"
        assert (recipe.contrastive.source_loss.name, recipe.contrastive.source_weight) == (
            "clcs",
            0.001,
        )
        assert recipe.self_training.selector.name == "flexmatch"
        assert [part.name for part in recipe.self_training.augment.choices] == ["masking", "mixup"]
        assert recipe.data.adapt == "per_language"

    def test_the_packaged_method_says_the_same_as_the_defaults(self):
        by_name = load(whole(extends=["methods/conlst"]))
        plain = load(whole())
        assert by_name.contrastive == plain.contrastive
        assert by_name.self_training == plain.self_training

    def test_a_checked_recipe_goes_through_unchanged(self):
        recipe = load("quickstart")
        assert load(recipe) == recipe
        assert load(recipe.model_dump(mode="json")) == recipe
        assert load(recipe, ["seed=5"]).seed == 5

    def test_a_resolved_recipe_loads_from_its_json(self, written):
        recipe = load("quickstart")
        assert load(written(resolved=recipe.model_dump(mode="json"))) == recipe

    def test_languages_and_adapted(self):
        recipe = load("quickstart")
        assert recipe.languages() == ["en", "fr", "sw", "ur", "zh"]
        assert recipe.adapted() == ["fr", "sw", "ur", "zh"]

    def test_it_is_frozen(self):
        with pytest.raises(ValueError, match="frozen"):
            load(whole()).seed = 4


class TestFaults:
    def test_all_faults_are_told_at_once_with_their_paths(self):
        data = {
            "source": {"train": {"path": "a", "hub": "b"}},
            "targets": {"sw": {"unlabelled": {"path": "sw.tsv"}, "tests": None}},
        }
        message = refusal(
            whole(
                seed=-1,
                data=data,
                model={"name": "m", "max_lenght": 128},
                contrastive={"confident": {"type": "fixed", "threshold": 2}, "epochs": "many"},
                self_training={"selector": {"type": "flexmach"}},
            )
        )
        assert message.startswith("recipe: 7 fault(s)\n")
        for line in (
            "seed: found -1; allowed: integer >= 0, < 4294967296",
            "model.max_lenght: no such field; did you mean 'max_length'?",
            "data.source.train: name either a 'path' or a 'hub' data set",
            "data.targets.sw.tests: no such field; did you mean 'test'?",
            "contrastive.epochs: found 'many'; allowed: integer >= 1",
            "contrastive.confident.threshold: found 2; allowed: number > 0, <= 1",
            "self_training.selector.type: no such name in selectors; did you mean 'flexmatch'?",
        ):
            assert f"\n  {line}" in message

    def test_what_is_missing_is_named(self):
        assert "\n  model: is missing" in refusal({"conlst": 1, "data": whole()["data"]})

    def test_an_unknown_field_of_the_recipe_itself(self):
        assert "self_trainig: no such field; did you mean 'self_training'?" in refusal(
            whole(self_trainig=None)
        )

    def test_an_unknown_parameter_names_the_parameters_of_that_strategy(self):
        message = refusal(whole(self_training={"selector": {"type": "fixed", "treshold": 0.9}}))
        assert (
            "self_training.selector.treshold: no such field; did you mean 'threshold'?" in message
        )
        assert "allowed: type, threshold" in message

    def test_a_parameter_of_a_strategy_inside_a_strategy(self):
        inner = {"type": "per_language", "selector": {"type": "fixed", "treshold": 0.5}}
        message = refusal(whole(self_training={"selector": inner}))
        assert "self_training.selector.selector.treshold: no such field; did you mean" in message

    def test_a_strategy_in_a_list_of_strategies(self):
        augment = {"type": "one_of", "choices": [{"type": "masking"}, {"type": "mixdown"}]}
        message = refusal(whole(self_training={"augment": augment}))
        assert "self_training.augment.choices[1].type: no such name in augmenters" in message
        augment["choices"][1] = {"type": "masking", "rat": 0.1}
        message = refusal(whole(self_training={"augment": augment}))
        assert (
            "self_training.augment.choices[1].rat: no such field; did you mean 'rate'?" in message
        )

    @pytest.mark.parametrize("value", ["fixed", 3, ["fixed"], {}, {"threshold": 0.4}, {"type": []}])
    def test_what_is_no_strategy(self, value):
        assert "contrastive.confident" in refusal(whole(contrastive={"confident": value}))

    @pytest.mark.parametrize("section", ["self_training", "contrastive"])
    def test_a_whole_stage_may_be_null_but_not_a_word(self, section):
        assert getattr(load(whole(**{section: None})), section) is None
        assert f"\n  {section}: " in refusal(whole(**{section: "off"}))

    def test_numbers_are_not_guessed_from_strings_or_floats(self):
        assert "seed" in refusal(whole(seed="13"))
        assert "seed" in refusal(whole(seed=13.5))
        assert "seed" in refusal(whole(seed=True))
        assert load(whole(source={"learning_rate": 1})).source.learning_rate == 1.0

    def test_another_version_of_the_format_is_refused(self):
        assert "conlst: " in refusal(whole(conlst=2))
        assert "conlst: is missing" in refusal({k: v for k, v in whole().items() if k != "conlst"})

    @pytest.mark.parametrize("code", ["s", "swahili", "s w", "../sw", "sw/en", ""])
    def test_language_codes_become_folders_so_they_have_a_form(self, code):
        data = whole()["data"] | {"targets": {code: {"unlabelled": {"path": "x.tsv"}}}}
        assert f"data.targets: {code!r} is no language code" in refusal(whole(data=data))

    @pytest.mark.parametrize("code", ["sw", "ace", "zh-Hant", "zho_Hant", "pt-BR"])
    def test_codes_of_every_usual_standard(self, code):
        data = whole()["data"] | {"targets": {code: {"unlabelled": {"path": "x.tsv"}}}}
        assert load(whole(data=data)).languages() == [code]

    @pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 101, "new\nline"])
    def test_a_name_becomes_a_folder_so_it_has_a_form(self, name):
        assert "name: " in refusal(whole(name=name))

    @pytest.mark.parametrize(
        ("file", "fault"),
        [
            ({}, "name either a 'path' or a 'hub' data set"),
            ({"hub": "a/b"}, "a hub data set needs its 'split'"),
            ({"path": "a.tsv", "split": "train"}, "'config' and 'split' go with 'hub'"),
            (
                {"path": "a.tsv", "format": "xls"},
                "format: found 'xls'; allowed: csv, tsv",
            ),
        ],
    )
    def test_files(self, file, fault):
        data = whole()["data"] | {"source": {"train": file}}
        assert fault in refusal(whole(data=data))

    def test_gold_without_rows(self):
        data = whole()["data"]
        data = data | {"targets": data["targets"] | {"fr": {"pool_gold": {"path": "fr.tsv"}}}}
        assert "data.targets.fr: pool_gold labels the unlabelled rows" in refusal(whole(data=data))

    @pytest.mark.parametrize("classes", [[], ["one"], ["a", "a"], ["a", "b", "a"]])
    def test_classes_are_two_or_more_different_names(self, classes):
        data = whole()["data"] | {"classes": classes}
        assert "two or more different names" in refusal(whole(data=data))

    def test_no_target(self):
        assert "data.targets: " in refusal(whole(data=whole()["data"] | {"targets": {}}))

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_no_infinite_numbers_from_python_either(self, number):
        assert "learning_rate" in refusal(whole(source={"learning_rate": number}))

    def test_long_values_are_cut_in_messages(self):
        assert len(refusal(whole(seed="x" * 10_000))) < 300


class TestPartsThatDoNotFit:
    def test_nothing_to_adapt_to(self):
        data = whole()["data"] | {"targets": {"sw": {"test": {"path": "sw.tsv"}}}}
        assert "no target has unlabelled rows" in refusal(whole(data=data))
        assert load(whole(data=data, contrastive=None, self_training=None)).adapted() == []

    def test_a_loss_where_nothing_feeds_it(self):
        message = refusal(
            whole(
                source={"loss": {"type": "contrastive_negative"}},
                self_training={"loss": {"type": "negative"}},
            )
        )
        assert "source.loss: 'contrastive_negative' needs negatives" in message
        assert "source.loss: 'contrastive_negative' needs views" in message
        assert "self_training.loss: 'negative' needs complement" in message
        assert "given: attentions, clean" in message

    def test_every_need_is_looked_for_where_it_would_come_from(self, tmp_path):
        topk = {"type": "topk_per_class"}
        message = refusal(
            whole(
                source={"augment": {"type": "mixup", "partner": "source"}},
                contrastive={"complement": {"type": "ups"}, "confident": {"type": "adamatch"}},
                self_training={
                    "mode": "online",
                    "selector": {"type": "per_language", "selector": topk},
                    "loss": {"type": "lou"},
                    "source_loss": {"type": "kl_consistency"},
                },
            )
        )
        lines = message.splitlines()[1:]
        assert [line.partition(" needs ")[0].strip() for line in lines] == [
            "source.augment: 'mixup'",
            "self_training.selector: 'per_language'",
            "self_training.loss: 'lou'",
            "self_training.source_loss: 'kl_consistency'",
        ]
        assert "the whole pool at once (self_training.mode: offline)" in lines[1]
        assert "several adapted languages in one model (data.adapt: joint)" in lines[2]

    def test_negatives_of_languages_that_are_not_in_the_pool(self):
        def negatives(languages):
            return whole(contrastive={"negatives": {"type": "uniform", "languages": languages}})

        assert "contrastive.negatives: 'uniform' needs several adapted languages" in refusal(
            negatives("other")
        )
        message = refusal(negatives({"sv": 1.0}))
        assert "contrastive.negatives.languages: no rows to adapt to in 'sv'" in message
        assert "allowed: sw" in message
        assert load(negatives("own"))

    def test_losses_that_read_probabilities_in_different_ways(self):
        evidential = {"type": "evidential"}
        message = refusal(whole(source={"loss": evidential}))
        for name in ("loss", "source_loss"):
            assert f"self_training.{name}: 'cross_entropy' reads probabilities" in message
        summed = {"type": "weighted_sum", "losses": [evidential, {"type": "cross_entropy"}]}
        both = {"loss": summed, "source_loss": evidential}
        assert load(whole(source={"loss": evidential}, self_training=both))

    def test_what_an_augmenter_lacks_is_said_with_its_place(self, tmp_path):
        views = [
            {"type": "masking"},
            {"type": "back_translation", "translators": [{"type": "mbart50"}], "pivot": "el"},
            {"type": "synonym", "path": str(tmp_path / "none.json")},
        ]
        message = refusal(whole(self_training={"augment": {"type": "one_of", "choices": views}}))
        assert "self_training.augment: choices.1: 'sw' via 'el': no translator" in message
        assert "self_training.augment: choices.2: path: " in message

    def test_paths_of_parts_are_relative_to_the_recipe(self, written):
        table = {"type": "table", "path": "table.jsonl"}
        augment = {"type": "back_translation", "translators": [table], "missing": "skip"}
        path = written(mine=whole(self_training={"augment": augment}))
        (path.parent / "table.jsonl").write_text("")
        held = load(path).self_training.augment.translators[0].path
        assert held == str(path.parent / "table.jsonl")

    def test_parts_that_look_for_neighbours_where_there_is_no_faiss(self, monkeypatch):
        monkeypatch.setattr("conlst.recipe.fit.find_spec", lambda name: None)
        message = refusal(whole(contrastive={"negatives": {"type": "faiss"}}))
        assert "contrastive.negatives: 'faiss' needs faiss (pip install 'conlst[cpu]'" in message

    def test_the_contrastive_loss_without_negatives(self):
        assert "contrastive.loss: 'contrastive_negative' needs negatives" in refusal(
            whole(contrastive={"negatives": None})
        )

    def test_negatives_that_nobody_uses(self):
        message = refusal(whole(contrastive={"loss": {"type": "negative"}}))
        assert (
            "contrastive.negatives: the loss 'negative' uses no negatives; allowed: null" in message
        )

    def test_negative_learning_is_an_assembly(self):
        recipe = load(whole(contrastive={"loss": {"type": "negative"}, "negatives": None}))
        assert recipe.contrastive.loss.name == "negative"

    def test_without_the_source_term_is_an_assembly(self):
        assert load(whole(contrastive={"source_loss": None})).contrastive.source_loss is None

    def test_starting_from_a_stage_that_is_not_there(self):
        message = refusal(whole(contrastive=None, self_training={"reinit": "contrastive"}))
        assert "self_training.reinit: 'contrastive', but there is no such stage" in message


class TestExtends:
    def test_left_to_right_and_the_recipe_itself_on_top(self, written):
        path = written(
            base=whole(seed=1, name="base", description="below"),
            over={"conlst": 1, "seed": 2, "name": "over"},
            mine={"conlst": 1, "extends": ["base.json", "over.json"], "seed": 3},
        )
        recipe = load(path)
        assert (recipe.seed, recipe.name, recipe.description) == (3, "over", "below")

    def test_sections_are_merged_key_by_key(self, written):
        path = written(
            base=whole(source={"epochs": 7, "batch_size": 8}),
            mine={"extends": ["base.json"], "source": {"epochs": 2}},
        )
        assert (load(path).source.epochs, load(path).source.batch_size) == (2, 8)

    def test_a_strategy_of_the_same_type_keeps_what_is_not_said(self, written):
        below = {"type": "flexmatch", "threshold": 0.8, "floor": 0.5}
        base = whole(self_training={"selector": below})
        same = {
            "extends": ["base.json"],
            "self_training": {"selector": {"type": "flexmatch", "threshold": 0.7}},
        }
        untyped = {"extends": ["base.json"], "self_training": {"selector": {"threshold": 0.6}}}
        assert load(written(base=base, mine=same)).self_training.selector.model_dump() == {
            **load(written(base=base)).self_training.selector.model_dump(),
            "threshold": 0.7,
        }
        assert load(written(base=base, mine=untyped)).self_training.selector.threshold == 0.6

    def test_a_strategy_of_another_type_replaces_it_whole(self, written):
        base = whole(self_training={"selector": {"type": "flexmatch", "threshold": 0.8}})
        mine = {"extends": ["base.json"], "self_training": {"selector": {"type": "fixed"}}}
        assert load(written(base=base, mine=mine)).self_training.selector.model_dump() == {
            "type": "fixed",
            "threshold": 0.9,
        }

    def test_rows_from_a_file_replace_rows_from_the_hub_whole(self, written):
        hub = {"hub": "a/b", "config": "x", "split": "train", "columns": {"text": "premise"}}
        base = whole()
        base["data"]["source"]["train"] = hub
        mine = {"extends": ["base.json"], "data": {"source": {"train": {"path": "mine.tsv"}}}}
        train = load(written(base=base, mine=mine)).data.source.train
        assert train == File(path=str(written().resolve() / "mine.tsv"))
        back = {"extends": ["mine.json"], "data": {"source": {"train": hub}}}
        assert load(written(base=base, mine=mine, back=back)).data.source.train == File(**hub)

    def test_lists_and_null_replace(self, written):
        base = whole(data=whole()["data"] | {"classes": ["a", "b", "c"]})
        mine = {"extends": ["base.json"], "data": {"classes": ["d", "e"]}, "contrastive": None}
        recipe = load(written(base=base, mine=mine))
        assert recipe.data.classes == ["d", "e"]
        assert recipe.contrastive is None

    def test_a_circle_is_named(self, written):
        path = written(b={"extends": ["a.json"]}, a={"extends": ["b.json"]})
        assert refusal(path) == "extends runs in a circle: a.json -> b.json -> a.json"
        assert "circle" in refusal(written(me={"extends": ["me.json"]}))

    def test_the_same_base_twice_is_no_circle(self, written):
        path = written(
            base=whole(),
            left={"extends": ["base.json"], "seed": 1},
            right={"extends": ["base.json"], "name": "right"},
            mine={"extends": ["left.json", "right.json"]},
        )
        assert load(path).name == "right"

    def test_a_packaged_recipe_by_its_name(self, written):
        assert load(written(mine=whole(extends=["methods/zero-shot"]))).self_training is None

    def test_a_file_beside_the_recipe_comes_first_and_the_working_directory_never(
        self, written, tmp_path, monkeypatch
    ):
        path = written(mine=whole(extends=["methods/zero-shot"]))
        elsewhere = tmp_path / "elsewhere"
        (elsewhere / "methods").mkdir(parents=True)
        (elsewhere / "methods/zero-shot").write_text('{"seed": 99}')
        monkeypatch.chdir(elsewhere)
        assert load(path).seed == 13
        (tmp_path / "methods").mkdir()
        (tmp_path / "methods/zero-shot").write_text('{"seed": 98}')
        assert load(path).seed == 98

    @pytest.mark.parametrize("extends", ["methods/conlst", [1], {"a": 1}, None])
    def test_extends_is_a_list_of_names(self, extends):
        assert "extends: a list of recipe names or paths" in refusal(whole(extends=extends))

    def test_an_unknown_base_names_the_nearest(self, written):
        message = refusal(written(mine=whole(extends=["methods/conlts"])))
        assert "did you mean 'methods/conlst'?" in message


class TestFileContents:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "mine.json: not JSON"),
            ("{", "mine.json: not JSON"),
            ("[]", "a recipe is a JSON object; found list"),
            ('{"seed": 1, "seed": 2}', "mine.json: the key 'seed' stands twice in one object"),
            ('{"source": {"epochs": 1, "epochs": 1}}', "the key 'epochs' stands twice"),
            ('{"seed": NaN}', "mine.json: NaN is no JSON number"),
            ('{"seed": -Infinity}', "-Infinity is no JSON number"),
            ("[" * 100_000, "mine.json: not JSON"),
        ],
    )
    def test_what_is_not_json(self, written, text, fault):
        assert fault in refusal(written(mine=text))

    def test_other_bytes_than_utf8(self, tmp_path):
        (tmp_path / "mine.json").write_bytes(b'{"name": "\xff"}')
        assert "mine.json: not JSON" in refusal(tmp_path / "mine.json")

    def test_a_byte_order_mark_does_no_harm(self, tmp_path):
        (tmp_path / "mine.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(whole()).encode())
        assert load(tmp_path / "mine.json").seed == 13

    def test_no_such_recipe_names_the_nearest(self):
        message = refusal("quikstart")
        assert "no recipe file 'quikstart'" in message
        assert "did you mean 'quickstart'?" in message

    @pytest.mark.parametrize("name", ["../recipe", "x" * 5000, "a\0b", "", "."])
    def test_names_that_are_no_recipe(self, name):
        assert "no packaged recipe of that name" in refusal(name)


class TestPaths:
    def test_relative_to_the_file_they_stand_in(self, tmp_path, monkeypatch):
        home = tmp_path / "home"
        home.mkdir()
        base = whole(model={"name": "../encoder"}, source={"checkpoint": "./tuned"})
        (home / "base.json").write_text(json.dumps(base))
        (tmp_path / "mine.json").write_text(json.dumps({"extends": ["home/base.json"]}))
        monkeypatch.chdir("/")
        recipe = load(tmp_path / "mine.json")
        assert recipe.data.source.train.path == str(home / "train.tsv")
        assert recipe.data.targets["sw"].unlabelled.path == str(home / "sw.tsv")
        assert recipe.model.name == str(tmp_path / "encoder")
        assert recipe.source.checkpoint == str(home / "tuned")

    def test_those_of_a_dict_are_relative_to_the_working_directory(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert load(whole()).data.source.train.path == str(tmp_path / "train.tsv")

    def test_absolute_paths_and_hub_names_stay(self, tmp_path):
        data = {**whole()["data"], "source": {"train": {"path": "/data/train.tsv"}}}
        recipe = load(whole(data=data))
        assert recipe.data.source.train.path == "/data/train.tsv"
        assert recipe.model.name == "some/encoder"

    def test_a_label_called_path_is_no_path(self):
        data = whole()["data"]
        data["source"]["train"]["label_names"] = {"path": "way"}
        assert load(whole(data=data)).data.source.train.label_names == {"path": "way"}

    def test_loading_leaves_the_callers_dict_alone(self):
        mine = whole(source={"epochs": 1}, extends=["methods/conlst"])
        before = copy.deepcopy(mine)
        load(mine, ["source.epochs=2", "model.max_length=64", "data.source.language=fr"])
        assert mine == before


class TestEachLanguage:
    def data(self, **more):
        each = {
            "unlabelled": {"path": "pool.{language}.tsv"},
            "test": {"hub": "facebook/xnli", "config": "{language}", "split": "test"},
        }
        source = {"train": {"path": "train.tsv"}}
        return {"source": source, "languages": ["sw", "ur"], "each": each, **more}

    def test_a_target_is_written_out_for_every_language(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        recipe = load(whole(data=self.data()))
        assert recipe.languages() == ["sw", "ur"]
        assert recipe.data.targets["ur"].unlabelled.path == str(tmp_path / "pool.ur.tsv")
        assert recipe.data.targets["sw"].test.config == "sw"

    def test_targets_of_their_own_go_on_top(self):
        own = {"sw": {"test": None}, "fr": {"unlabelled": {"path": "fr.tsv"}}}
        recipe = load(whole(data=self.data(targets=own)))
        assert recipe.languages() == ["sw", "ur", "fr"]
        assert recipe.data.targets["sw"].test is None
        assert recipe.data.targets["sw"].unlabelled is not None
        assert recipe.data.targets["fr"].test is None

    def test_languages_can_be_set(self):
        assert load(whole(data=self.data()), ['data.languages=["ur"]']).languages() == ["ur"]

    @pytest.mark.parametrize(
        "broken", [{"languages": None}, {"each": None}, {"languages": "sw"}, {"each": []}]
    )
    def test_they_go_together(self, broken):
        assert "'languages' (a list) and 'each' (a target) go together" in refusal(
            whole(data=self.data(**broken))
        )

    def test_faults_in_it_are_told_for_the_languages(self):
        data = self.data(each={"unlabeled": {"path": "x"}})
        message = refusal(whole(data=data))
        assert "data.targets.sw.unlabeled: no such field; did you mean 'unlabelled'?" in message

    def test_targets_that_are_no_object(self):
        assert "data.targets: " in refusal(whole(data=self.data(targets=["sw"])))


class TestEdits:
    def test_values_are_json_or_else_strings(self):
        recipe = load(
            whole(),
            [
                "seed=7",
                "name=other",
                'description="12"',
                "contrastive=null",
                "self_training.iterations=2",
                'self_training.selector={"type": "fixed"}',
            ],
        )
        assert (recipe.seed, recipe.name, recipe.description) == (7, "other", "12")
        assert recipe.contrastive is None
        assert recipe.self_training.iterations == 2
        assert recipe.self_training.selector.name == "fixed"

    def test_a_value_may_hold_an_equals_sign(self):
        assert load(whole(), ["description=a=b"]).description == "a=b"

    def test_later_edits_win(self):
        assert load(whole(), ["seed=7", "seed=8"]).seed == 8

    def test_a_strategys_parameter(self):
        recipe = load("quickstart", ["contrastive.confident.threshold=0.95"])
        assert recipe.contrastive.confident.threshold == 0.95

    def test_a_place_in_a_list(self):
        recipe = load("quickstart", ["self_training.augment.choices.0.rate=0.3"])
        assert recipe.self_training.augment.choices[0].rate == 0.3

    @pytest.mark.parametrize(
        ("edit", "fault"),
        [
            ("seed", "write it as path=value"),
            ("data.targets.fr.test.path=x", "there is nothing at 'data.targets'"),
            ("data.each.pool_gold.path=x", "there is nothing at 'data.each.pool_gold'"),
            ("model.name.x=1", "there is nothing at 'model.name'"),
            ("data.languages.9=de", "has no place '9'"),
            ("data.languages.x=de", "has no place 'x'"),
            ("self_training.augment.choices.7.rate=1", "there is nothing at 'self_training"),
        ],
    )
    def test_a_place_that_is_not_there(self, edit, fault):
        message = refusal(whole(data=TestEachLanguage().data()), edit)
        assert fault in message
        assert f"--set {edit}" in message

    def test_a_field_that_is_not_there(self):
        assert "self_training.iteration: no such field; did you mean 'iterations'?" in refusal(
            whole(), "self_training.iteration=2"
        )
        assert "sed: no such field; did you mean 'seed'?" in refusal(whole(), "sed=2")
        assert "nonsense: no such field" in refusal(whole(), "nonsense.deep=2")

    def test_into_a_stage_that_is_left_out(self):
        assert "there is nothing at 'contrastive'" in refusal(
            whole(contrastive=None), "contrastive.epochs=2"
        )

    def test_nan_is_no_value(self):
        assert "NaN is no JSON number" in refusal(whole(), "seed=NaN")

    def test_a_fault_in_an_edit_is_told_like_any(self):
        assert "seed: found 'x'; allowed: integer >= 0, < 4294967296" in refusal(whole(), "seed=x")


class TestSchema:
    def test_strategies_are_listed_with_their_parameters(self):
        schema = recipes.schema()
        selectors = schema["$defs"]["selectors"]["oneOf"]
        assert {"$ref": "#/$defs/selectors.fixed"} in selectors
        fixed = schema["$defs"]["selectors.fixed"]
        assert fixed["properties"]["type"] == {"const": "fixed"}
        assert fixed["properties"]["threshold"]["maximum"] == 1
        assert fixed["required"] == ["type"]
        assert fixed["description"]
        assert fixed["additionalProperties"] is False

    def test_every_slot_refers_to_a_kind(self):
        schema = recipes.schema()
        stage = schema["$defs"]["ContrastiveStage"]["properties"]
        assert stage["confident"]["$ref"] == "#/$defs/selectors"
        assert {"$ref": "#/$defs/negatives"} in stage["negatives"]["anyOf"]
        inside = schema["$defs"]["selectors.per_language"]["properties"]["selector"]
        assert inside["$ref"] == "#/$defs/selectors"

    def test_every_reference_leads_somewhere(self):
        schema = recipes.schema()

        def references(node):
            if isinstance(node, dict):
                yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
                node = list(node.values())
            if isinstance(node, list):
                for item in node:
                    yield from references(item)

        for reference in references(schema):
            assert reference.removeprefix("#/$defs/") in schema["$defs"]
        json.dumps(schema)

    def test_no_registry_is_left_in_it(self):
        assert '"slot"' not in json.dumps(recipes.schema())


def test_a_slot_accepts_a_strategy_registered_later_or_written_out():
    written_out = {"type": "conlst.selectors.fixed:Fixed", "threshold": 0.8}
    recipe = load(whole(self_training={"selector": written_out}))
    assert recipe.self_training.selector.threshold == 0.8
    message = refusal(whole(self_training={"selector": {"type": "conlst.nowhere:Fixed"}}))
    assert "self_training.selector.type: selectors: 'conlst.nowhere:Fixed' stands for" in message
    assert "ModuleNotFoundError" in message
    message = refusal(whole(self_training={"selector": {"type": "conlst.losses.clcs:CLCS"}}))
    assert "is no Selector" in message


def test_merged_shows_a_method_alone():
    assert recipes.merged("methods/zero-shot")["contrastive"] is None
    assert "extends" not in recipes.merged("quickstart")


def test_validation_errors_of_pydantic_never_leak():
    with pytest.raises(BadInput):
        load({})
    assert isinstance(load(whole()), Recipe)
