// npm's node-hl7-client as a sender.
//
//     node_hl7_client.js PORT CA|plain FILE...   sends messages over one connection; a line of JSON for each answer

const fs = require('node:fs')
const { Client, Message } = require('node-hl7-client')

const [port, ca, ...files] = process.argv.slice(2)
const messages = files.map((file) => new Message({ text: fs.readFileSync(file, 'utf-8') }))
const fail = (error) => { console.error(error); process.exit(1) }

const tls = ca === 'plain' ? {} : { tls: { ca: fs.readFileSync(ca) } }
const client = new Client({ host: '127.0.0.1', ...tls })
const connection = client.createConnection({ port: Number(port) }, (answer) => {
  const message = answer.getMessage()
  const told = { code: message.get('MSA.1').toString(), acknowledges: message.get('MSA.2').toString() }
  console.log(JSON.stringify(told))
  sendNext()
})
connection.on('client.error', fail)
connection.on('data.error', fail)
connection.once('connect', sendNext)

function sendNext () {
  const message = messages.shift()
  if (message === undefined) {
    connection.close().then(() => process.exit(0))
  } else {
    connection.sendMessage(message).catch(fail)
  }
}
