// npm's simple-hl7 as a sender and as a receiver. It speaks no TLS.
//
//     simple_hl7.js send PORT FILE...         sends messages over one connection; a line of JSON for each answer
//     simple_hl7.js serve                     receives until standard input ends; its port, then a line of JSON for each connection and
//                                             each message
//
// A receiver refuses (AE) a message whose PV1-2 is R.

const fs = require('node:fs')
const hl7 = require('simple-hl7')

const tell = (said) => console.log(JSON.stringify(said))
const fail = (error) => { console.error(error); process.exit(1) }

function send (port, files) {
  const parser = new hl7.Parser({ segmentSeperator: '\r' })
  const messages = files.map((file) => parser.parse(fs.readFileSync(file, 'utf-8')))
  const client = hl7.Server.createTcpClient({ host: '127.0.0.1', port, keepalive: true })
  const sendNext = () => {
    const message = messages.shift()
    if (message === undefined) return client.close()
    client.send(message, (error, answer) => {
      if (error) fail(error)
      const acknowledgement = answer.getSegment('MSA')
      tell({ code: acknowledgement.getField(1), acknowledges: acknowledgement.getField(2) })
      // Only after this call is it ready for the next message.
      setImmediate(sendNext)
    })
  }
  sendNext()
}

function serve () {
  const app = hl7.tcp()
  app.use((request, response, next) => {
    const message = request.msg
    const kin = message.getSegments('NK1').map((segment) => segment.getField(2))
    tell({ control_id: message.header.getField(8), name: message.getSegment('PID').getField(5), next_of_kin: kin })
    if (message.getSegment('PV1').getField(2) === 'R') response.ack.getSegment('MSA').setField(1, 'AE')
    response.end()
  })
  app.use((error, request, response, next) => fail(error))
  const server = app.start(0).server
  server.on('connection', () => tell({ connected: true }))
  server.on('listening', () => tell({ port: server.address().port }))
  process.stdin.resume().on('end', () => process.exit(0))
}

const [role, port, ...files] = process.argv.slice(2)
role === 'send' ? send(Number(port), files) : serve()
