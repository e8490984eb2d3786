// npm's node-hl7-server as a receiver.
//
//     node_hl7_server.js VERSION plain|CERTIFICATE KEY   receives until standard input ends; its port, then a line of JSON for each
//                                                        connection and each message
//
// VERSION is 2.4, or 2.5, which after the first message of a connection answers that one again and again. It refuses (AE) a message whose
// PV1-2 is R.

const fs = require('node:fs')

const [version, certificate, key] = process.argv.slice(2)
const { Server } = require(version === '2.5' ? 'node-hl7-server-2.5' : 'node-hl7-server')
const tell = (said) => console.log(JSON.stringify(said))

const tls = certificate === 'plain' ? {} : { tls: { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } }
const server = new Server({ bindAddress: '127.0.0.1', ...tls })
const inbound = server.createInbound({ port: 0 }, async (request, response) => {
  const message = request.getMessage()
  const kin = []
  message.get('NK1').forEach((segment) => kin.push(segment.get('2').toRaw()))
  tell({ control_id: message.get('MSH.10').toString(), name: message.get('PID.5').toRaw(), next_of_kin: kin })
  await response.sendResponse(message.get('PV1.2').toString() === 'R' ? 'AE' : 'AA')
})
inbound.on('client.connect', () => tell({ connected: true }))
inbound.on('data.error', (error) => { console.error(error); process.exit(1) })
inbound.on('listen', () => tell({ port: inbound._socket.address().port }))
process.stdin.resume().on('end', () => process.exit(0))
