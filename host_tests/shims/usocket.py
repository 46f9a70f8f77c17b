"""MicroPython's `usocket` for CPython: umqtt imports it, and the uplink replaces it at once by its own link."""

from socket import getaddrinfo, socket

__all__ = ["getaddrinfo", "socket"]
