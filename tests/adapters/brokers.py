"""MQTT brokers for tests: amqtt in this process, and Debian's mosquitto where it is installed."""

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tests.helpers.ports import free_port

from learnae.adapters.mqtt.broker import mqtt_broker

T = TypeVar("T")
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")  # noqa: TID251
KINDS = ["amqtt", *(["mosquitto"] if MOSQUITTO else [])]
STARTS = 120  # s: a limit for tests that hang


class AmqttBroker:
    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        self._runner, self.port = runner, free_port()
        self.start()

    def start(self) -> None:
        self._service = mqtt_broker(self.port)
        self._runner.run(self._service.__aenter__())

    async def stop_now(self) -> None:
        await self._service.__aexit__(None, None, None)

    async def start_now(self) -> None:
        self._service = mqtt_broker(self.port)
        await self._service.__aenter__()

    def stop(self) -> None:
        self._runner.run(self.stop_now())


class Mosquitto:
    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        (folder / "mosquitto.conf").write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._runner = runner
        runner.run(self.start_now())

    async def start_now(self) -> None:
        assert MOSQUITTO
        command = [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        async with asyncio.timeout(STARTS):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def stop_now(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()  # noqa: ASYNC222

    def stop(self) -> None:
        self._runner.run(self.stop_now())
