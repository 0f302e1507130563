"""The docs site: ``docs/`` and the READMEs as static pages with navigation and checked links. ``python -m cli.site``.

Made with the Markdown parser that rich brings anyway, in place of a site generator: no dependency, no script, no search
server, and a build of under two seconds that the contract tests run, so that a broken link never gets in.
"""
