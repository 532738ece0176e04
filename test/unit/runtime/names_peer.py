"""What names.py makes of messages, in hexadecimal, and of the text of a resolv.conf. Arguments: the runtime's directory, and JSON."""

import json
import sys

runtime, text = sys.argv[1:]
sys.path.insert(0, runtime)
import names

wanted = json.loads(text)
print(
    json.dumps(
        {
            'questions': [names.is_question(bytes.fromhex(one)) for one in wanted['questions']],
            'answers': [names.is_answer(bytes.fromhex(one), bytes.fromhex(asked)) for one, asked in wanted['answers']],
            'servers': [names.servers_in(one) for one in wanted['servers']],
        }
    )
)
