"""``ports.Feed`` on an MQTT broker (aiomqtt), and a broker in this process (amqtt)."""

from learnae.adapters.mqtt.feed import MqttFeed

__all__ = ["MqttFeed"]
