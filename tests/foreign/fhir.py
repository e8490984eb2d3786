"""A FHIR server that records what is posted to it, and a FHIR client, both by Python's fhirclient.

    fhir.py serve                  receives until standard input ends; its port, then a line of JSON for each transaction
    fhir.py read PORT IDENTIFIER   what the client finds of the patient with this identifier; a line of JSON for each resource

Every resource of a transaction is read by the library's models, which refuse what FHIR R4 has no place for. A transaction with a resource
that they refuse is answered by an OperationOutcome and not kept.
"""

import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient

MEDIA_TYPE = "application/fhir+json"


def tell(**said):
    print(json.dumps(said), flush=True)


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept = []  # What all transactions brought, by their order, with ids and references as a server gives them.

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            entries = Bundle(json.loads(body)).entry
        except FHIRValidationError as error:
            tell(path=self.path, refused=str(error))
            issue = {"severity": "error", "code": "structure", "expression": ["Bundle.entry[0].resource"]}
            self.answer(422, {"resourceType": "OperationOutcome", "issue": [issue]})
            return
        places = {}
        for number, entry in enumerate(entries, len(self.kept) + 1):
            places[entry.fullUrl] = f"{entry.resource.resource_type}/{number}"
        for url, place in places.items():
            body = body.replace(f'"{url}"', f'"{place}"')
        for entry in json.loads(body)["entry"]:
            entry["resource"]["id"] = entry["fullUrl"].split("/")[1]
            self.kept.append(entry["resource"])
        tell(
            path=self.path,
            content_type=self.headers["Content-Type"],
            entries=[f"{entry.request.method} {entry.request.url}" for entry in entries],
            conditions=[entry.request.ifNoneExist for entry in entries],
        )
        responses = [{"response": {"status": "201 Created", "location": place}} for place in places.values()]
        self.answer(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": responses})

    def do_GET(self):
        asked = urllib.parse.urlsplit(self.path)
        kind = asked.path.split("/")[-1]
        wanted = urllib.parse.parse_qs(asked.query)
        found = [{"resource": one} for one in self.kept if one["resourceType"] == kind and self.matches(one, wanted)]
        self.answer(200, {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": found})

    @staticmethod
    def matches(resource, wanted):
        identifiers = [one["value"] for one in resource.get("identifier", [])]
        has_identifier = all(value in identifiers for value in wanted.get("identifier", []))
        subject = resource.get("subject", {}).get("reference")
        return has_identifier and all(subject == f"Patient/{value}" for value in wanted.get("patient", []))

    def answer(self, status, resource):
        body = json.dumps(resource).encode()
        self.send_response(status)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(port=server.server_port)
    sys.stdin.read()
    os._exit(0)


def read(port, identifier):
    client = FHIRClient(settings={"app_id": "reader", "api_base": f"http://127.0.0.1:{port}/r4"})
    for patient in Patient.where({"identifier": identifier}).perform_resources_iter(client.server):
        name = patient.name[0]
        tell(patient=f"{name.family}, {' '.join(name.given)}", born=patient.birthDate.isostring, sex=patient.gender)
        for found in Observation.where({"patient": patient.id}).perform_resources_iter(client.server):
            code = found.code.coding[0]
            result = found.valueQuantity or found.valueString
            value = result if isinstance(result, str) else f"{result.value} {result.unit}"
            tell(code=code.code, display=code.display, status=found.status, value=value)


if sys.argv[1] == "serve":
    serve()
else:
    read(int(sys.argv[2]), sys.argv[3])
