"""Python's hl7 as a sender and as a receiver.

    python_hl7.py send PORT CA|plain FILE...     sends messages over one connection; a line of JSON for each answer
    python_hl7.py serve plain|CERTIFICATE KEY    receives until standard input ends; its port, then a line of JSON for each connection and
                                                 each message

A receiver refuses (AE) a message whose PV1-2 is R. The blocking client of the package speaks no TLS; with it, its asyncio client sends.
"""

import asyncio
import json
import os
import ssl
import sys

import hl7
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection, start_hl7_server

HOST = "127.0.0.1"


def tell(**said):
    print(json.dumps(said), flush=True)


def tell_answer(answer):
    tell(code=str(answer["MSA"][0][1]), acknowledges=str(answer["MSA"][0][2]))


def send_plain(port, messages):
    with MLLPClient(HOST, port) as client:
        for message in messages:
            answer = client.send_message(message)
            tell_answer(hl7.parse(answer.decode().strip("\x0b\x1c\r")))


async def send_by_tls(port, ca, messages):
    context = ssl.create_default_context(cafile=ca)
    reader, writer = await open_hl7_connection(HOST, port, ssl=context, encoding="utf-8")
    for message in messages:
        writer.writemessage(message)
        await writer.drain()
        tell_answer(await reader.readmessage())
    writer.close()
    await writer.wait_closed()


def send(port, ca, files):
    messages = [hl7.parse(open(file, newline="", encoding="utf-8").read()) for file in files]
    if ca == "plain":
        send_plain(port, messages)
    else:
        asyncio.run(send_by_tls(port, ca, messages))


async def converse(reader, writer):
    tell(connected=True)
    while True:
        try:
            message = await reader.readmessage()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        tell(
            control_id=str(message["MSH"][0][10]),
            name=str(message["PID"][0][5]),
            next_of_kin=[str(segment[2]) for segment in message.segments("NK1")],
        )
        refused = str(message["PV1"][0][2]) == "R"
        writer.writemessage(message.create_ack("AE" if refused else "AA"))
        await writer.drain()


async def serve(certificate, key):
    context = None
    if certificate != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    server = await start_hl7_server(converse, HOST, 0, ssl=context, encoding="utf-8")
    tell(port=server.sockets[0].getsockname()[1])
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if sys.argv[1] == "send":
    send(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
else:
    asyncio.run(serve(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
