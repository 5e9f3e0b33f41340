"""Hamsa's API as the sandbox speaks it, its own API for tests, and the webhooks it sends."""

from sandbox.http.answers import AnswerLost, NotConnected
from sandbox.http.app import create_app
from sandbox.http.webhooks import Postman, SendWebhook
from sandbox.http.wire import PLANTED_SECRETS

__all__ = ["PLANTED_SECRETS", "AnswerLost", "NotConnected", "Postman", "SendWebhook", "create_app"]
