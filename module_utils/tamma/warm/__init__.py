"""Runs AWS modules in the process that Ansible already forked, with boto3 loaded and the account read beforehand.

`clients` holds boto3 clients made once before any fork, `snapshot` the answers to what the last run asked, `running`
calls a module's `main`. The action plugin `normal` and the callback plugin `warm` put them to use.
"""
