//! RabbitMQ: our connection to it, and AMQP as a way in and out, against real nodes.

mod connecting;
