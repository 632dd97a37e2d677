"""Names for the people of the sandbox: many places, nobody real."""

import unicodedata


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words("""
Ada Adaeze Aiko Aisha Aleksandra Alejandro Amara Amélie Amina Ana Anders Andrea Anika Anouk Antoine
Ariadna Arjun Astrid Ayşe Beatriz Benedikt Birgit Björn Bo Bogdan Camila Carlos Céline Chidi Chiara
Chinonso Çağla Daan Dalia Daniel Deepika Diego Dilnoza Dmitri Dörte Ebba Efua Eilidh Ekaterina Elif
Elena Eloïse Emeka Emre Esra Eszter Fatima Felipe Femi Finn Fionnuala Florian Freja Gabriela Giulia
Goran Grace Guadalupe Gustavo Håkon Hana Hannah Haruki Hassan Helga Hiroshi Hugo Ibrahim Ifeoma Ilse
Imani Ines Ingrid Isabela Ivan Jakub Jasmin Javier Jia Joana João Jonas José Juhani Julia Kaito Kamala
Karim Katarzyna Keiko Kenji Khalid Kofi Kristín Kwame Laila Lars Lea Leila Lena Léo Linh Lucía Luka
Magnus Maja Malik Mari Mariana Mateo Matthias Mei Meera Mehmet Mercy Mikael Milica Minh Mohammed Moana
Naledi Naoko Nadia Neha Ngozi Niamh Nikolai Noor Obinna Ola Olena Oluwaseun Omar Øyvind Paulo Pedro
Petra Phuong Pilar Priya Qiang Rafael Rahul Rania Ravi Renata Ricardo Rosa Ruth Ryo Saanvi Sakura
Samuel Sanjay Santiago Şebnem Selin Seung Sibusiso Siiri Sofía Søren Stella Svetlana Szymon Tadeusz
Taiwo Tamar Tane Tariq Tatiana Thabo Thandiwe Théo Thi Tomás Tove Uchenna Ulrike Valentina Vera Viktor
Vivek Wanjiru Wei Wiebke Xin Yara Yasmin Yuki Yusuf Zainab Zanele Zeynep Zoë Zuzana
""")

FAMILY = _words("""
Abe Achterberg Adebayo Adeyemi Agarwal Aguilar Ahmed Akhtar Almeida Álvarez Andersen Antonov Aoki
Appiah Arslan Asante Åberg Bachmann Bakker Balogun Banda Banerjee Barbosa Becker Begum Bekele Bergström
Bianchi Björnsdóttir Bondarenko Botha Bouchard Brandão Brennan Cabrera Castro Çelik Chanda Chatterjee
Chen Cho Chukwu Costa Cruz Dahl Das Delacroix Demir Desai Diallo Díaz Dlamini Dubois Duarte Dvořák
Eriksson Espinoza Eze Fernandes Fischer Fitzgerald Flores Fofanah Fontaine Fujimoto García Gebre
Georgiou Ghosh Gomes González Grönlund Guerrero Gupta Haddad Hakimi Hansen Haruna Hernández Herrera
Hoang Hoffmann Horvat Hossain Huang Ibáñez Ibrahim Ilić Inoue Islam Ivanova Jansen Jensen Jiménez
Johansson Joshi Jovanović Juárez Kamau Kang Kaplan Karlsson Kato Kaya Keita Keller Khan Kim Kimura
Koivisto Kovač Kowalczyk Kowalski Kozłowski Krüger Kumar Kurt Larsen Lê Leclerc Lehtonen Lewandowska
Li Lima Lin Lindqvist Lobo López Lund Macedo Mahlangu Makoni Mbeki Medina Mehta Mendoza Meyer Mishra
Mohamud Molina Moreau Moreno Moretti Müller Mutasa Nair Nakamura Naidoo Navarro Ndlovu Nguyen Nielsen
Novák Nowak Núñez Nwosu Obi Ochieng Okafor Okonkwo Oliveira Olsen Omondi Onyango Ortega Osei Ospina
Øster Owusu Öztürk Papadopoulos Park Pashkov Patel Pereira Pérez Petersen Petrović Pham Popescu Qureshi
Quispe Ramírez Ramos Rao Reddy Reyes Ricci Rivera Rojas Romano Rossi Ruiz Sahin Saito Salazar Sánchez
Santos Sato Schneider Schröder Shah Sharma Silva Singh Skjelbred Sokolov Solheim Soto Sørensen Souza
Suzuki Szabó Takahashi Tan Tanaka Teixeira Tembo Thapa Tran Tshabalala Turner Ueda Vargas Vasquez
Virtanen Vogel Vũ Wagner Walker Wang Weber Williams Wójcik Wood Yamamoto Yang Yılmaz Yoshida Zając
Zhang Zhou Zieliński Zimmermann
""")

# Written as their owners write them; the address cannot be guessed from the name.
AS_WRITTEN = [
    ("山田 太郎", "taro.yamada"),
    ("王伟", "wei.wang"),
    ("Ольга Иванова", "olga.ivanova"),
    ("محمد العلي", "mohammed.alali"),
    ("김민준", "minjun.kim"),
    ("Γιώργος Παππάς", "giorgos.pappas"),
    ("प्रिया शर्मा", "priya.sharma"),
    ("דנה לוי", "dana.levi"),
    ("สมชาย ใจดี", "somchai.jaidee"),
    ("María José de la Cruz Ñáñez", "mariajose.delacruz"),
    ("Siobhán O’Connor-Byrne", "siobhan.oconnor"),
    ("Li", "li"),
]

# Letters that no decomposition turns into plain Latin ones.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "ı": "i", "đ": "d", "ß": "ss", "æ": "ae", "þ": "th", "ð": "d"}
)


def plain(name: str) -> str:
    """The name in lower-case ASCII letters, as it would stand in an address."""
    decomposed = unicodedata.normalize("NFKD", name.lower().translate(_PLAIN))
    return "".join(letter for letter in decomposed if letter.isascii() and letter.isalpha())


GIVEN_PLAIN = [plain(name) for name in GIVEN]
FAMILY_PLAIN = [plain(name) for name in FAMILY]
