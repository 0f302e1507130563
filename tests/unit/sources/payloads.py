"""Deliveries in their vendors' documented shapes, about invented programs."""

from typing import Any

SENTRY_EVENT: dict[str, Any] = {
    "event_id": "e4874d664c3540c1a32eab185f12c5ab",
    "project": 1,
    "release": "shop@2.4.1",
    "dist": None,
    "platform": "python",
    "message": "",
    "datetime": "2026-11-20T21:06:17.677000Z",
    "timestamp": 1795208777.677,
    "level": "error",
    "environment": "production",
    "culprit": "shop.cart in total",
    "title": "ZeroDivisionError: division by zero",
    "tags": [["browser", "Firefox 140"], ["environment", "production"], ["level", "error"]],
    "user": {"id": "42", "ip_address": "192.0.2.7"},
    "issue_id": "1117540176",
    "issue_url": "https://sentry.io/api/0/issues/1117540176/",
    "web_url": "https://sentry.io/organizations/acme/issues/1117540176/events/e4874d664c3540c1a32eab185f12c5ab/",
    "exception": {
        "values": [
            {
                "type": "KeyError",
                "value": "'rate'",
                "stacktrace": {"frames": [{"filename": "shop/rates.py", "function": "rate_of", "lineno": 12}]},
            },
            {
                "type": "ZeroDivisionError",
                "value": "division by zero",
                "stacktrace": {
                    "frames": [
                        {"filename": "shop/app.py", "function": "handle", "lineno": 7, "in_app": True},
                        {
                            "filename": "shop/cart.py",
                            "function": "total",
                            "lineno": 31,
                            "in_app": True,
                            "context_line": "    return amount / rate",
                        },
                    ]
                },
            },
        ]
    },
}

SENTRY_ALERT: dict[str, Any] = {
    "action": "triggered",
    "actor": {"id": "sentry", "name": "Sentry", "type": "application"},
    "installation": {"uuid": "a8e5d37a-696c-4c54-adb5-b3f28d64c7de"},
    "data": {"event": SENTRY_EVENT, "triggered_rule": "Very important alert"},
}

SENTRY_ERROR: dict[str, Any] = {
    "action": "created",
    "installation": {"uuid": "a8e5d37a-696c-4c54-adb5-b3f28d64c7de"},
    "data": {"error": SENTRY_EVENT},
}

SENTRY_ISSUE: dict[str, Any] = {
    "action": "created",
    "installation": {"uuid": "a8e5d37a-696c-4c54-adb5-b3f28d64c7de"},
    "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
    "data": {
        "issue": {
            "id": "1117540176",
            "shareId": None,
            "shortId": "SHOP-1Z",
            "title": "ZeroDivisionError: division by zero",
            "culprit": "shop.cart in total",
            "permalink": None,
            "web_url": "https://acme.sentry.io/issues/1117540176/",
            "logger": None,
            "level": "error",
            "status": "unresolved",
            "platform": "python",
            "project": {"id": "1", "name": "shop", "slug": "shop", "platform": "python"},
            "type": "error",
            "metadata": {
                "type": "ZeroDivisionError",
                "value": "division by zero",
                "filename": "shop/cart.py",
                "function": "total",
            },
            "count": "3",
            "userCount": 2,
            "firstSeen": "2026-11-20T21:06:17.677000Z",
            "lastSeen": "2026-11-21T08:00:00.000000Z",
        }
    },
}

DATADOG: dict[str, Any] = {
    "id": "7210387021",
    "last_updated": "1795208777000",
    "event_type": "query_alert_monitor",
    "title": "[Triggered on {service:cart}] Too many errors in cart",
    "date": "1795208777000",
    "org": {"id": "11023", "name": "Acme"},
    "body": "%%%\nError rate of cart is 12 %\n%%%",
    "alert_id": "889911",
    "alert_type": "error",
    "alert_transition": "Triggered",
    "priority": "normal",
    "tags": "env:production,service:cart,monitor",
    "snapshot": "$SNAPSHOT",
    "link": "https://app.datadoghq.com/event/event?id=7210387021",
}

SPLUNK: dict[str, Any] = {
    "result": {
        "_raw": "2026-11-20 21:06:17 ERROR cart Traceback\nValueError: rate must not be zero",
        "_time": "1795208777.677",
        "host": "web-3",
        "source": "/var/log/shop.log",
        "sourcetype": "shop",
    },
    "sid": "scheduler_admin_search_W2_at_14232356_132",
    "results_link": "https://splunk.example.net/app/search/@go?sid=scheduler_admin_search_W2_at_14232356_132",
    "search_name": "Cart errors",
    "owner": "admin",
    "app": "search",
}

POSTHOG: dict[str, Any] = {
    "hook": {"id": "h1", "event": "action_performed", "target": "https://soulcaster.example.net"},
    "data": {
        "event": "$exception",
        "uuid": "0197aa33-0000-7000-8000-1f2d3c4b5a69",
        "distinct_id": "user-17",
        "timestamp": "2026-11-20T21:06:17.677Z",
        "properties": {
            "$exception_message": "cart.total is not a function",
            "$exception_type": "TypeError",
            "$exception_stack_trace_raw": "TypeError: cart.total is not a function\n"
            "    at pay (https://shop.example.net/static/app.js:10:15)\n"
            "    at HTMLButtonElement.click (https://shop.example.net/static/app.js:99:3)",
            "$session_id": "s-1",
            "$current_url": "https://shop.example.net/cart",
            "$browser": "Firefox",
            "$os": "Linux",
        },
    },
}

REDDIT: dict[str, Any] = {
    "kind": "t3",
    "data": {
        "id": "1abcde",
        "name": "t3_1abcde",
        "title": "Checkout shows a blank page",
        "selftext": "Since the update the checkout is blank. https://github.com/acme/shop has no issue for it.",
        "subreddit": "acmeshop",
        "permalink": "/r/acmeshop/comments/1abcde/checkout_shows_a_blank_page/",
        "author": "someone",
        "created_utc": 1795208777.0,
        "score": 12,
        "num_comments": 3,
    },
}

GITHUB: dict[str, Any] = {
    "action": "opened",
    "issue": {
        "id": 2190001,
        "number": 17,
        "title": "Total is wrong with two coupons",
        "body": 'Steps...\n\nTraceback (most recent call last):\n  File "shop/cart.py", line 31, in total\n'
        "    return amount / rate\nZeroDivisionError: division by zero\n",
        "state": "open",
        "html_url": "https://github.com/acme/shop/issues/17",
        "user": {"login": "reporter", "type": "User"},
        "author_association": "NONE",
        "labels": [{"name": "bug"}],
        "assignees": [],
        "milestone": None,
        "comments": 0,
        "created_at": "2026-11-20T21:06:17Z",
        "updated_at": "2026-11-20T21:06:17Z",
    },
    "repository": {"id": 5, "full_name": "acme/shop"},
    "sender": {"login": "reporter", "type": "User"},
}

GITHUB_COMMENT: dict[str, Any] = {
    **GITHUB,
    "action": "created",
    "comment": {
        "id": 77,
        "body": "Same here since 2.4.1",
        "user": {"login": "other", "type": "User"},
        "author_association": "MEMBER",
        "created_at": "2026-11-21T08:00:00Z",
        "html_url": "https://github.com/acme/shop/issues/17#issuecomment-77",
    },
}

MANUAL: dict[str, Any] = {"text": "The cart total is wrong", "external_id": "m-1"}

ALL: dict[str, list[dict[str, Any]]] = {
    "sentry": [SENTRY_ALERT, SENTRY_ERROR, SENTRY_ISSUE],
    "datadog": [DATADOG],
    "splunk": [SPLUNK],
    "posthog": [POSTHOG],
    "reddit": [REDDIT],
    "github": [GITHUB, GITHUB_COMMENT],
    "manual": [MANUAL],
}
