"""Sentences that do not belong into a fix: what an injected instruction makes a model write. Pure.

A model can obey a report. So nothing a model writes is run (commands come from the repository alone), and what it
writes is read against these rules before a person or an agent sees it. The rules name effects, not wordings: reaching
other hosts, secrets, the machine, the delivery pipeline, switching protection off, speaking to the assistant. A step
that a rule removes is quoted in the notes, so a wrong removal costs a person one edit.
"""

import re
from collections.abc import Iterable
from typing import Final

ADDRESS: Final = "names an address outside the repository"
SPEAKS: Final = "speaks to the assistant"

_RULES: Final = tuple(
    (name, re.compile("|".join(patterns), re.I))
    for name, *patterns in (
        (
            ADDRESS,
            r"\b(?:https?|ftp|wss?|data|javascript|file)://?(?!localhost|127\.0\.0\.1|example\.(?:com|org|net)\b)\S",
            r"\bwww\.\w",
            r"(?<![\w.`@])(?!example\.(?:com|org|net)\b)(?:[a-z0-9-]+\.)+(?:com|org|ru|xyz|cn|top|info|tk|example|test)\b(?!\()",
            r"(?<![\w.`])(?:[a-z0-9-]+\.)+(?:io|dev|net|site|online|app|cc)(?:/|:\d)",
            r"(?<![\w.])(?!127\.|0\.0\.0\.0|10\.0\.|192\.168\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])",
        ),
        (
            "runs commands",
            r"\b(?:curl|wget|netcat|ncat|nc|ssh|scp|rsync|telnet|nslookup|dig|powershell|certutil)\s+[-\w'\"$~./]",
            r"\|\s*(?:ba|z|da)?sh\b|\brm\s+-\w*[rf]|\bchmod\s+[+0-7]|\bsudo\s|\bmkfifo\b|/dev/tcp/",
            r"\$\(\s*(?:curl|wget|cat|id|whoami|env|printenv|echo|sh|bash|nc)\b",
            r"\b(?:add|insert|call|execute|run|invoke)\w*\b[^\n]{0,40}\b(?:os\.(?:system|popen)|child_process|getRuntime)\b",
            r"\bdrop\s+(?:table|database)\b|\btruncate\s+table\b|\bmkfs\b|\bshutdown\s+-",
        ),
        (
            "touches secrets",
            r"(?<![\w\])])\.(?:ssh|env|npmrc|pypirc|netrc|aws|kube)\b(?!\.(?:example|sample|template))",
            r"\bid_(?:rsa|ed25519)\b|/etc/(?:passwd|shadow|hosts)\b|/proc/(?:self|\d+)/environ|169\.254\.",
            r"\b(?:GITHUB|GH|NPM|PYPI|AWS|OPENAI|ANTHROPIC|SLACK|STRIPE|CI|ACCESS|AUTH)_[A-Z_]*(?:TOKEN|KEY|SECRET)\b",
            r"\b(?:print|log|echo|dump|send|post|upload|leak|exfiltrate|expose|reveal|output|collect|copy|encode|email"
            r"|attach|write|paste)\w*\b[^.\n]{0,60}\b(?:secrets?|credentials?|api[ _-]?keys?|private keys?|passwords?"
            r"|(?:access|auth|github|bearer|session)[ _-]?tokens?|environment variables|env vars|os\.environ)\b",
        ),
        (
            "changes the delivery pipeline or the agents' instructions",
            r"\.github/|\.gitlab-ci|\.circleci|\bCODEOWNERS\b|\bJenkinsfile\b|\.git/|\bgit hooks?\b",
            r"\.pre-commit-config",
            r"\bAGENTS\.md|\bCLAUDE\.md|(?<![\w\])])\.(?:cursor|vscode|idea|kilocode|devcontainer)\b",
            r"\b(?:pre|post)install\b|\bself-hosted runner|\bpull_request_target\b|\bbranch protection",
            r"\bforce[ -]push|\bpush (?:directly |straight )?to (?:main|master)\b",
            r"\b(?:without|before|skip\w*) (?:code )?review",
        ),
        (
            "switches a protection off",
            r"\b(?:disabl|remov|delet|bypass|skip|weaken|relax|suppress|turn\w* off|switch\w* off|comment\w* out)\w*"
            r"(?:\W+[\w-]+){0,3}?\W+(?:unit tests|tests|test suite|ci|authentication"
            r"|authori[sz]ation|permission checks?"
            r"|access control|csrf|tls|ssl|certificate|signature|sandbox|security|encryption|audit logs?|rate limit\w*"
            r"|2fa|mfa|password (?:check|hash)\w*|login checks?|(?:input )?validation|saniti[sz]\w+|verification)\b",
            r"\bverify\s*=\s*False|\bpickle\.loads|\bshell\s*=\s*True|\bCORS\b[^.\n]{0,30}\*|\b0?777\b",
        ),
        (
            "adds a way in",
            r"\bback ?door|\b(?:reverse|bind|web) ?shell|\bkey ?logger|\bcrypto ?min\w+",
            r"\bhard-?cod\w+ (?:an? )?(?:admin|master|password|credential|token)",
            r"\bis_(?:admin|superuser|staff)\s*=\s*True",
            r"\b(?:grant|give|promote)\w*\b[^.\n]{0,40}\b(?:admin|superuser|root access|owner (?:rights|role))\b",
            r"\b(?:add|create|insert|register)\w*\b[^.\n]{0,30}\b(?:admin|root|superuser)\b[^.\n]{0,12}"
            r"\b(?:users?|accounts?|login|role)\b",
        ),
        (
            "installs something new",
            r"\b(?:pip3?|npm|pnpm|yarn|gem|cargo|brew|apt|apt-get|composer|uv|poetry)\s+(?:install|add|i)\b"
            r"(?!\s+-e?\s*\.)",
            r"\b(?:add|install|depend on|pull in|require)\w*\b[^.\n]{0,40}\b(?:package|dependency|library)\b"
            r"[^.\n]{0,40}\bfrom\b[^.\n]{0,20}\b(?:git|url|fork|registry|index)\b",
        ),
        (
            SPEAKS,
            r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|other|your|system)\b"
            r"[^.\n]{0,30}\b(?:instructions?|prompts?|rules?|guidelines|directions)\b",
            r"\bsystem prompt\b|\byou are now\b|\bas an ai\b|\bnew instructions?\b|\bdeveloper mode\b|\bjailbreak",
            r"\bdo not (?:tell|mention|inform|reveal)\b|\bhide (?:this|it) from\b",
            r"\bwithout (?:telling|asking|informing|notifying)\b",
            r"\b(?:dear|hey|attention|note to|instructions? (?:for|to)|message to|hello)\b[^.\n]{0,20}"
            r"\b(?:ai|llm|assistant|agent|model|bot|copilot|planner)\b",
            r"(?:^|[\n<\[])\s*(?:system|assistant|developer)\s*[:>\]]|<\|im_(?:start|end)\|>|\[/?INST\]",
        ),
        (
            "carries encoded data",
            r"(?<![\w/])[A-Za-z0-9+]{48,}={0,2}(?![\w/])|(?:\\x[0-9a-f]{2}){6,}|(?:%[0-9a-f]{2}){6,}",
            r"\bbase64\b[^.\n]{0,30}\b(?:decode|-d)\b|\b(?:decode|encode)\w*\b[^.\n]{0,30}\b(?:base64|rot13)\b",
        ),
    )
)
_WORDS: Final = re.compile(r"[^\W_]+")
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]*")
_RUN: Final = 6  # words in a row that make a copy of a report's suspicious sentence


def reason(text: str) -> str | None:
    """Why a sentence must not stand in a plan; None when no rule speaks against it."""
    return next((name for name, pattern in _RULES if pattern.search(text)), None)


def suspicious_sentences(text: str, limit: int = 20) -> list[str]:
    """Sentences of a report that are instructions of that kind rather than an account of a problem."""
    found = []
    for match in _SENTENCE.finditer(text[:50_000]):
        sentence = match[0].strip()[:600]
        if len(sentence) > 12 and _SPEAKS.search(sentence):
            found.append(sentence)
        if len(found) >= limit:
            break
    return found


_SPEAKS: Final = next(pattern for name, pattern in _RULES if name == SPEAKS)


def runs_of(sentences: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """Every run of six words in the sentences: a step that holds one repeats them."""
    runs: set[tuple[str, ...]] = set()
    for sentence in sentences:
        words = _words(sentence)
        runs.update(tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))
    return frozenset(runs)


def repeats(text: str, runs: frozenset[tuple[str, ...]]) -> bool:
    """Whether a text holds one of the runs."""
    words = _words(text)
    return any(tuple(words[i : i + _RUN]) in runs for i in range(len(words) - _RUN + 1))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(text)]
