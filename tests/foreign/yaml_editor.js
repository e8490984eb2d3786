// Red Hat's YAML language server, which is behind most editors, asked as an editor asks it.
//
//     yaml_editor.js check FILE...                    a line of JSON for each file: what is underlined in it
//     yaml_editor.js complete FILE LINE COLUMN ...    a line of JSON for each place, counted from 1: what is offered there

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')

const program = path.join(path.dirname(require.resolve('yaml-language-server/package.json')), 'bin', 'yaml-language-server')
const server = spawn(process.execPath, [program, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] })
server.on('exit', (code) => process.exit(code ?? 1))

// Only the schemas that the files name: nothing is fetched.
const SETTINGS = { yaml: { validate: true, completion: true, schemaStore: { enable: false } } }

const answers = new Map()
const findings = new Map()
let asked = 0

function send (message) {
  const body = JSON.stringify({ jsonrpc: '2.0', ...message })
  server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

function ask (method, params) {
  asked += 1
  const id = asked
  send({ id, method, params })
  return new Promise((resolve) => answers.set(id, resolve))
}

function take (message) {
  if (message.method === 'workspace/configuration') {
    send({ id: message.id, result: message.params.items.map((item) => SETTINGS[item.section] ?? {}) })
  } else if (message.method && message.id !== undefined) {
    send({ id: message.id, result: null })
  } else if (message.method === 'textDocument/publishDiagnostics') {
    findings.get(message.params.uri)?.(message.params.diagnostics)
  } else if (message.id !== undefined) {
    answers.get(message.id)(message.result)
  }
}

let read = Buffer.alloc(0)
server.stdout.on('data', (bytes) => {
  read = Buffer.concat([read, bytes])
  for (;;) {
    const head = read.indexOf('\r\n\r\n')
    if (head < 0) return
    const end = head + 4 + Number(/Content-Length: (\d+)/.exec(read.subarray(0, head))[1])
    if (read.length < end) return
    const message = JSON.parse(read.subarray(head + 4, end))
    read = read.subarray(end)
    take(message)
  }
})

// What is found in a file, when it was looked through.
function open (file) {
  const uri = pathToFileURL(file).href
  const found = new Promise((resolve) => findings.set(uri, resolve))
  const text = fs.readFileSync(file, 'utf-8')
  send({ method: 'textDocument/didOpen', params: { textDocument: { uri, languageId: 'yaml', version: 1, text } } })
  return found
}

async function main ([what, ...rest]) {
  await ask('initialize', { processId: process.pid, rootUri: null, capabilities: { workspace: { configuration: true } } })
  send({ method: 'initialized', params: {} })
  if (what === 'check') {
    for (const file of rest) {
      const found = (await open(file)).map((one) => `${one.range.start.line + 1}: ${one.message}`)
      console.log(JSON.stringify({ file: path.basename(file), found }))
    }
  } else {
    while (rest.length > 0) {
      const [file, line, column] = rest.splice(0, 3)
      await open(file)
      const position = { line: line - 1, character: column - 1 }
      const offered = await ask('textDocument/completion', { textDocument: { uri: pathToFileURL(file).href }, position })
      console.log(JSON.stringify({ file: path.basename(file), offered: offered.items.map((item) => item.label) }))
    }
  }
  process.exit(0)
}

main(process.argv.slice(2)).catch((error) => { console.error(error); process.exit(1) })
