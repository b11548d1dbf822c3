"""Languages as recipes write them (ISO 639-1), and as translators call them."""

from collections.abc import Mapping


def called(language: str, names: Mapping[str, str]) -> str | None:
    """The translator's name of a language; a region that it does not know is left out.

    Examples:
        >>> called("pt-BR", {"pt": "pt_XX"}), called("zh_Hant", NLLB), called("zh-Hant", MBART50)
        ('pt_XX', 'zho_Hant', None)
    """
    full = language.replace("_", "-")
    code, _, rest = full.partition("-")
    region = len(rest) in (2, 3)  # four letters name a script, and that is another matter
    return names.get(full) or (names.get(code.lower()) if region or not rest else None)


def _themselves(names: str) -> dict[str, str]:
    return {name.partition("_")[0]: name for name in names.split()}


def _pairs(pairs: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in pairs.split())


MBART50 = _themselves(
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT "
    "lv_LV my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN af_ZA az_AZ bn_IN fa_IR he_IL "
    "hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN "
    "th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
)
"""The 52 languages of mBART-50; Greek and Bulgarian are not among them."""

M2M100 = _themselves(
    "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu "
    "ha he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr "
    "ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk "
    "ur uz vi wo xh yi yo zh zu"
)
"""The 100 languages of M2M100."""

NLLB = _pairs(
    "af:afr_Latn am:amh_Ethi ar:arb_Arab as:asm_Beng az:azj_Latn ba:bak_Cyrl be:bel_Cyrl "
    "bg:bul_Cyrl bn:ben_Beng bo:bod_Tibt bs:bos_Latn ca:cat_Latn cs:ces_Latn cy:cym_Latn "
    "da:dan_Latn de:deu_Latn el:ell_Grek en:eng_Latn eo:epo_Latn es:spa_Latn et:est_Latn "
    "eu:eus_Latn fa:pes_Arab fi:fin_Latn fo:fao_Latn fr:fra_Latn ga:gle_Latn gd:gla_Latn "
    "gl:glg_Latn gn:grn_Latn gu:guj_Gujr ha:hau_Latn he:heb_Hebr hi:hin_Deva hr:hrv_Latn "
    "ht:hat_Latn hu:hun_Latn hy:hye_Armn id:ind_Latn ig:ibo_Latn is:isl_Latn it:ita_Latn "
    "ja:jpn_Jpan jv:jav_Latn ka:kat_Geor kk:kaz_Cyrl km:khm_Khmr kn:kan_Knda ko:kor_Hang "
    "ku:kmr_Latn ky:kir_Cyrl lb:ltz_Latn lo:lao_Laoo lt:lit_Latn lv:lvs_Latn mg:plt_Latn "
    "mi:mri_Latn mk:mkd_Cyrl ml:mal_Mlym mn:khk_Cyrl mr:mar_Deva ms:zsm_Latn mt:mlt_Latn "
    "my:mya_Mymr nb:nob_Latn ne:npi_Deva nl:nld_Latn nn:nno_Latn no:nob_Latn oc:oci_Latn "
    "or:ory_Orya pa:pan_Guru pl:pol_Latn ps:pbt_Arab pt:por_Latn qu:quy_Latn ro:ron_Latn "
    "ru:rus_Cyrl rw:kin_Latn sa:san_Deva sd:snd_Arab si:sin_Sinh sk:slk_Latn sl:slv_Latn "
    "sn:sna_Latn so:som_Latn sq:als_Latn sr:srp_Cyrl su:sun_Latn sv:swe_Latn sw:swh_Latn "
    "ta:tam_Taml te:tel_Telu tg:tgk_Cyrl th:tha_Thai ti:tir_Ethi tk:tuk_Latn tl:tgl_Latn "
    "tr:tur_Latn tt:tat_Cyrl ug:uig_Arab uk:ukr_Cyrl ur:urd_Arab uz:uzn_Latn vi:vie_Latn "
    "wo:wol_Latn xh:xho_Latn yi:ydd_Hebr yo:yor_Latn zh:zho_Hans zh-Hans:zho_Hans "
    "zh-Hant:zho_Hant zu:zul_Latn"
)
"""Languages of NLLB-200 that have a two-letter code, in the script most of their text is in."""

ISO3 = _pairs(
    "af:afr an:arg ar:ara be:bel bg:bul br:bre ca:cat cs:ces cy:cym da:dan de:deu en:eng eo:epo "
    "es:spa eu:eus fi:fin fr:fra ga:gle gl:glg hi:hin hr:hrv id:ind is:isl it:ita kk:kaz ms:msa "
    "mk:mkd mt:mlt nb:nob nl:nld nn:nno oc:oci pl:pol pt:por ro:ron ru:rus sc:srd sl:slv sr:srp "
    "sv:swe tr:tur tt:tat uk:ukr ur:urd"
)
"""Three-letter codes of languages that Apertium has packages for."""
